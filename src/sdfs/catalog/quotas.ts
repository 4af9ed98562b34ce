/**
 * How much may lie under a prefix. What counts is the newest readable version of each file. Apply may not scan the files
 * that are there when a quota is made: the leader counts them meanwhile, and every command counts what it changes.
 *
 * Q1 `base` and `delta` together are the files that can be read under the prefix, and the bytes of their newest
 *    versions: exactly, after every command since the base is known.
 * Q2 `delta` is what the commands since the one that made the quota changed, each file's row being written through
 *    {@link Ledger}; `base` is what there was before it.
 * Q3 A command that raises what a quota limits leaves it at or under the limit, or is refused as a whole. Only the results
 *    of a job are never refused. While there is no base yet, it is taken for nothing: what has been added alone is judged.
 * Q4 The base is set once, by a count of the same quota: one made anew under the prefix has another `made`.
 */
import { type Outcome, done, refuse } from "../../lib/outcome.ts";
import type { Rows, Stamp } from "../../lib/rows.ts";
import { checkPath } from "./paths.ts";
import { files, quotas } from "./rows.ts";
import type { Amount, FileRecord, QuotaRecord } from "./types.ts";

/** Quotas with a row: all are in every node's memory. */
export const quotasLimit = 1_000;
/** Folders in a prefix: what a commit looks for, for each of its files. */
export const quotaDepth = 16;

const units = ["bytes", "files"] as const;
const nothing: Amount = { bytes: 0, files: 0 };

/** A prefix as part of a key, without slashes. */
export function quotaId(prefix: string): string {
  return encodeURIComponent(prefix);
}

/** What lies under the prefix, as far as it is known. */
export function usedOf({ base = nothing, delta }: QuotaRecord): Amount {
  return { bytes: base.bytes + delta.bytes, files: base.files + delta.files };
}

/** What a file counts for. */
export function amountOf(file: FileRecord | undefined): Amount {
  return file === undefined || file.versions.length === 0
    ? nothing
    : { bytes: file.bytes, files: 1 };
}

/** Sets the limits of a prefix, or takes its quota back when there are none. */
export function setQuota(
  rows: Rows,
  quota: {
    readonly prefix: string;
    readonly bytes?: number | undefined;
    readonly files?: number | undefined;
  },
  { index }: Stamp,
): Outcome {
  const { prefix, bytes: bytesLimit, files: filesLimit } = quota;
  const wrong = checkPrefix(prefix);
  if (wrong !== undefined) return wrong;
  const id = quotaId(prefix);
  const known = quotas.get(rows, id);
  if (bytesLimit === undefined && filesLimit === undefined) {
    if (known === undefined)
      return refuse("NOT_FOUND", {
        kind: "quota for",
        name: JSON.stringify(prefix),
        remedy: "'idunno sdfs quota ls' lists them",
      });
    quotas.delete(rows, id);
    return done;
  }
  if (known === undefined && quotas.list(rows).length >= quotasLimit)
    return refuse("BUSY", { what: "the list of quotas", limit: quotasLimit });
  const { made, delta, base } = known ?? { made: index, delta: nothing };
  quotas.put(rows, id, { prefix, made, bytesLimit, filesLimit, delta, base });
  return done;
}

/** Q4. */
export function countQuota(
  rows: Rows,
  count: Amount & { readonly prefix: string; readonly made: number },
): Outcome {
  const { prefix, made, bytes, files: number } = count;
  const known = quotas.get(rows, quotaId(prefix));
  if (known?.made === made && known.base === undefined)
    quotas.put(rows, quotaId(prefix), { ...known, base: { bytes, files: number } });
  return done;
}

function checkPrefix(prefix: string): Outcome | undefined {
  if (prefix === "") return undefined;
  const what = `the prefix ${JSON.stringify(prefix)}`;
  if (!prefix.endsWith("/"))
    return refuse("INVALID", {
      what,
      why: "it is no folder",
      remedy: 'end it with "/", or leave it empty for everything',
    });
  const wrong = checkPath(prefix.slice(0, -1));
  if (wrong !== undefined) return refuse("INVALID", { what, ...wrong });
  const depth = prefix.split("/").length - 1;
  return depth <= quotaDepth
    ? undefined
    : refuse("INVALID", {
        what,
        why: `it has ${depth} folders`,
        remedy: `quotas are for prefixes of at most ${quotaDepth}`,
      });
}

/**
 * What a put of so many bytes would exceed, as far as that is known beforehand: its own command decides (Q3).
 * @param known the quotas by their prefixes, percent-encoded
 */
export function quotaAgainst(
  known: ReadonlyMap<string, QuotaRecord>,
  put: { readonly path: string; readonly bytes: number; readonly before: FileRecord | undefined },
): Outcome | undefined {
  const was = amountOf(put.before);
  const is: Amount = { bytes: put.bytes, files: 1 };
  for (const prefix of prefixesOf(put.path)) {
    const quota = known.get(quotaId(prefix));
    if (quota === undefined) continue;
    const limits = { bytes: quota.bytesLimit, files: quota.filesLimit };
    for (const unit of units) {
      const limit = limits[unit];
      const wanted = usedOf(quota)[unit] + is[unit] - was[unit];
      if (limit !== undefined && wanted > limit && is[unit] > was[unit])
        return refuse("QUOTA_EXCEEDED", { prefix, unit, wanted, limit });
    }
  }
  return undefined;
}

/** Writes the rows of files, and what that changes of quotas. One for each command. */
export class Ledger {
  readonly #rows: Rows;
  /** Most clusters have none, and then files need not look for theirs. */
  readonly #prefixes: ReadonlySet<string>;
  /** Quotas as they were before the command, of which it changed something. */
  readonly #before = new Map<string, QuotaRecord>();

  constructor(rows: Rows) {
    this.#rows = rows;
    this.#prefixes = new Set(quotas.list(rows).map(([, { prefix }]) => prefix));
  }

  /** Q2. */
  put(before: FileRecord | undefined, after: FileRecord): void {
    files.put(this.#rows, after.path, after);
    if (this.#prefixes.size === 0) return;
    const [was, is] = [amountOf(before), amountOf(after)];
    const change = { bytes: is.bytes - was.bytes, files: is.files - was.files };
    if (change.bytes === 0 && change.files === 0) return;
    for (const prefix of prefixesOf(after.path)) {
      if (!this.#prefixes.has(prefix)) continue;
      const id = quotaId(prefix);
      const quota = quotas.get(this.#rows, id);
      if (quota === undefined) continue; // unreachable: it is in the list
      if (!this.#before.has(id)) this.#before.set(id, quota);
      const { bytes, files: number } = quota.delta;
      const delta = { bytes: bytes + change.bytes, files: number + change.files };
      quotas.put(this.#rows, id, { ...quota, delta });
    }
  }

  /** Q3: the refusal, when the command as a whole raised what a quota limits above the limit. */
  exceeded(): Outcome | undefined {
    for (const [id, before] of this.#before) {
      const after = quotas.get(this.#rows, id) ?? before; // unreachable: it was just written
      const limits = { bytes: after.bytesLimit, files: after.filesLimit };
      for (const unit of units) {
        const limit = limits[unit];
        const wanted = usedOf(after)[unit];
        if (limit !== undefined && wanted > limit && wanted > usedOf(before)[unit])
          return refuse("QUOTA_EXCEEDED", { prefix: after.prefix, unit, wanted, limit });
      }
    }
    return undefined;
  }
}

/** The prefixes that may have a quota: nothing, then `a/`, `a/b/` of `a/b/c`. */
function* prefixesOf(path: string): Generator<string> {
  yield "";
  const folders = path.split("/", quotaDepth + 1).slice(0, -1);
  let prefix = "";
  for (const folder of folders) yield (prefix += `${folder}/`);
}
