/**
 * What the clients know: every acknowledged version with its content, every outcome that nobody told, and what each
 * reader saw. From it follows what a read may answer; whatever else it answers is a broken promise. Sound rather than
 * complete: where two requests overlapped, either order is right.
 *
 * V1 A version has the bytes of its put, whoever reads it, for ever.
 * V2 A version that was known before a read began is what the read answers, or a later one, unless it was removed.
 * V3 What was removed before a read began is not read.
 * V4 A version number is given once, and goes up: a put gets a later one than any that was known before.
 * V5 A put with `ifVersion` N > 0 becomes N + 1, and is not refused when N was the newest for certain.
 * V6 An acknowledged version has the copies that were promised.
 */
import { versionsKept } from "../../../src/sdfs/catalog/types.ts";

export interface Digest {
  readonly sha256: string;
  readonly bytes: number;
}

type Outcome = "open" | "done" | "refused" | "unknown";

interface Act {
  readonly startMs: number;
  /** When its outcome was known; undefined while it may still happen. */
  endMs: number | undefined;
  outcome: Outcome;
}

export interface Put extends Act, Digest {
  readonly path: string;
  readonly ifVersion: number | undefined;
  /** Known from its acknowledgement, or because somebody read it. */
  version: number | undefined;
}

export interface Remove extends Act {
  readonly path: string;
}

/** What a reader saw. Without a hash only the number is judged. */
export interface Seen {
  readonly version: number;
  readonly digest?: Digest | undefined;
}

interface Known {
  /** When somebody knew that it is committed. */
  sinceMs: number;
  digest: Digest | undefined;
  put: Put | undefined;
}

class Path {
  readonly puts: Put[] = [];
  readonly removes: Remove[] = [];
  readonly known = new Map<number, Known>();

  /** The newest version that was known before `ms`; 0: none. */
  floor(ms: number): number {
    let floor = 0;
    for (const [version, { sinceMs }] of this.known)
      if (sinceMs < ms) floor = Math.max(floor, version);
    return floor;
  }

  /** Whether the version may have been removed, or outnumbered, by `ms`. */
  mayBeGone(version: number, ms: number): boolean {
    return this.mayBeRemoved(version, ms) || this.#mayBeOutnumbered(version, ms);
  }

  mayBeRemoved(version: number, ms: number): boolean {
    const committedMs = this.known.get(version)?.put?.startMs ?? 0;
    return this.removes.some(
      ({ outcome, startMs, endMs }) =>
        outcome !== "refused" && startMs <= ms && (endMs ?? Infinity) >= committedMs,
    );
  }

  #mayBeOutnumbered(version: number, ms: number): boolean {
    const later = this.puts.filter(
      (put) =>
        put.outcome !== "refused" && put.startMs <= ms && (put.version ?? Infinity) > version,
    );
    return later.length >= versionsKept;
  }

  isRemoved(version: number, ms: number): boolean {
    const sinceMs = this.known.get(version)?.sinceMs ?? Infinity;
    return this.removes.some(
      ({ outcome, startMs, endMs }) =>
        outcome === "done" && (endMs ?? Infinity) < ms && sinceMs < startMs,
    );
  }

  /** The newest version while nothing else was under way from `ms` on; 0: none; undefined: cannot be told. */
  certain(ms: number, except: Put): number | undefined {
    const others = [...this.puts, ...this.removes].filter(
      (act) => act !== except && act.outcome !== "refused",
    );
    if (others.some(({ endMs }) => endMs === undefined || endMs >= ms)) return undefined;
    const newest = Math.max(0, ...this.known.keys());
    const put = this.known.get(newest)?.put;
    if (newest > 0 && put === undefined) return undefined;
    if (this.removes.every((each) => each.outcome === "refused" || isBefore(each, put)))
      return newest;
    return this.isRemoved(newest, ms) ? 0 : undefined;
  }
}

/** Whether the one had ended when the other began. */
function isBefore({ endMs }: Act, later: Act | undefined): boolean {
  return later !== undefined && endMs !== undefined && endMs < later.startMs;
}

export class Ledger {
  readonly #paths = new Map<string, Path>();
  readonly #now: () => number;
  readonly #copies: number;
  readonly violations: string[] = [];

  /**
   * @param now milliseconds; never the same for what one thing caused in another
   * @param copies that every acknowledged version must have
   */
  constructor({ now, copies }: { readonly now: () => number; readonly copies: number }) {
    this.#now = now;
    this.#copies = copies;
  }

  get paths(): string[] {
    return [...this.#paths.keys()];
  }

  /** Every version that somebody knows and that cannot have gone yet. */
  get kept(): { readonly path: string; readonly version: number; readonly digest: Digest }[] {
    const ms = this.#now();
    return [...this.#paths].flatMap(([path, ledger]) =>
      [...ledger.known].flatMap(([version, { digest }]) =>
        digest === undefined || ledger.mayBeGone(version, ms) ? [] : [{ path, version, digest }],
      ),
    );
  }

  /** The content of a version, when somebody knows it. */
  digestOf(path: string, version: number): Digest | undefined {
    return this.#paths.get(path)?.known.get(version)?.digest;
  }

  startPut(path: string, digest: Digest, ifVersion: number | undefined): Put {
    const put: Put = {
      ...digest,
      path,
      ifVersion,
      startMs: this.#now(),
      endMs: undefined,
      outcome: "open",
      version: undefined,
    };
    this.#path(path).puts.push(put);
    return put;
  }

  startRemove(path: string): Remove {
    const remove: Remove = { path, startMs: this.#now(), endMs: undefined, outcome: "open" };
    this.#path(path).removes.push(remove);
    return remove;
  }

  /** @param copies as the acknowledgement says */
  acknowledged(put: Put, version: number, copies: number): void {
    const path = this.#path(put.path);
    const what = `${put.path}@${version}`;
    const known = path.known.get(version);
    if (known?.put !== undefined && known.put !== put && known.put.outcome === "done")
      this.#broken("V4", `${what} was given to two puts`);
    if (put.version !== undefined && put.version !== version)
      this.#broken("V4", `a put became ${what} and ${put.path}@${put.version}`);
    if (version <= path.floor(put.startMs))
      this.#broken("V4", `${what} came after ${put.path}@${path.floor(put.startMs)} was known`);
    if (put.ifVersion !== undefined && put.ifVersion > 0 && version !== put.ifVersion + 1)
      this.#broken("V5", `${what} was put with ifVersion=${put.ifVersion}`);
    if (copies < this.#copies) this.#broken("V6", `${what} was acknowledged with ${copies} copies`);
    if (known?.digest !== undefined && !isSame(known.digest, put))
      this.#broken("V1", `${what} was read with other bytes than it was put with`);
    put.outcome = "done";
    put.endMs = this.#now();
    put.version = version;
    const sinceMs = Math.min(known?.sinceMs ?? Infinity, put.endMs);
    path.known.set(version, { sinceMs, digest: put, put });
  }

  removed(remove: Remove): void {
    remove.outcome = "done";
    remove.endMs = this.#now();
  }

  /** It has not happened and never will. */
  refused(act: Put | Remove): void {
    act.outcome = "refused";
    act.endMs = this.#now();
  }

  /** Nobody said what came of it. */
  unknown(act: Put | Remove): void {
    act.outcome = "unknown";
  }

  /** Refused because the newest version was another one. */
  conflicted(put: Put): void {
    const newest = this.#path(put.path).certain(put.startMs, put);
    if (newest !== undefined && newest === put.ifVersion)
      this.#broken("V5", `${put.path} was at ${newest}, and a put with that ifVersion was refused`);
    this.refused(put);
  }

  /** A read of the newest version, begun at `startMs` and over now. @param seen undefined: there is no such file */
  readNewest(name: string, startMs: number, seen: Seen | undefined): void {
    const path = this.#path(name);
    const floor = path.floor(startMs);
    if (seen === undefined) {
      if (floor > 0 && !path.mayBeRemoved(floor, this.#now()))
        this.#broken("V2", `${name} was not found, though ${name}@${floor} was known`);
      return;
    }
    if (seen.version < floor)
      this.#broken("V2", `${name}@${seen.version} was read though ${name}@${floor} was known`);
    this.#saw(name, startMs, seen);
  }

  /** A read of one version. @param seen undefined: there is no such version */
  readVersion(name: string, version: number, startMs: number, seen: Seen | undefined): void {
    const path = this.#path(name);
    if (seen !== undefined) {
      if (seen.version !== version)
        this.#broken("V1", `${name}@${seen.version} came instead of ${name}@${version}`);
      this.#saw(name, startMs, seen);
    } else if (
      (path.known.get(version)?.sinceMs ?? Infinity) < startMs &&
      !path.mayBeGone(version, this.#now())
    )
      this.#broken("V2", `${name}@${version} was not found`);
  }

  /** All versions that are kept when nothing is under way, oldest first. */
  readVersions(name: string, startMs: number, versions: readonly number[]): void {
    this.readNewest(name, startMs, asSeen(versions.at(-1)));
    for (const version of this.#path(name).known.keys())
      this.readVersion(name, version, startMs, asSeen(versions.find((each) => each === version)));
  }

  #saw(name: string, startMs: number, { version, digest }: Seen): void {
    const path = this.#path(name);
    const what = `${name}@${version}`;
    if (path.isRemoved(version, startMs)) this.#broken("V3", `${what} was read though removed`);
    const known = path.known.get(version);
    const sinceMs = Math.min(known?.sinceMs ?? Infinity, this.#now());
    if (digest === undefined || known?.digest !== undefined) {
      if (digest !== undefined && known?.digest !== undefined && !isSame(digest, known.digest))
        this.#broken("V1", `${what} has ${digest.bytes} other bytes`);
      path.known.set(version, { digest: undefined, put: undefined, ...known, sinceMs });
      return;
    }
    // Nobody was told of this version: it is one of the puts without an outcome.
    const candidates = path.puts.filter(
      (put) =>
        (put.outcome === "open" || put.outcome === "unknown") &&
        put.version === undefined &&
        isSame(put, digest),
    );
    if (candidates.length === 0) this.#broken("V1", `${what} has bytes that nobody put there`);
    const [put] = candidates.length === 1 ? candidates : [];
    if (put !== undefined) put.version = version;
    path.known.set(version, { sinceMs, digest, put });
  }

  #path(name: string): Path {
    let path = this.#paths.get(name);
    if (path === undefined) this.#paths.set(name, (path = new Path()));
    return path;
  }

  #broken(rule: string, what: string): void {
    this.violations.push(`${rule}: ${what}`);
  }
}

function isSame(a: Digest, b: Digest): boolean {
  return a.sha256 === b.sha256 && a.bytes === b.bytes;
}

function asSeen(version: number | undefined): Seen | undefined {
  return version === undefined ? undefined : { version };
}
