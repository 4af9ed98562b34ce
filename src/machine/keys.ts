/**
 * Exactly once for whoever repeats a request: the first outcome of an idempotency key is kept and given again. Kept for
 * a while only; what is forgotten raises a floor under which an unknown key is refused, never carried out a second time.
 *
 * K1 A key is decided at most once: its row is there, or its stamp is at or under the floor, or it is new.
 * K2 Keys are forgotten in the order in which they were first used, on every replica in the same command.
 */
import { hash64 } from "../lib/hash.ts";
import { pack } from "../lib/msgpack.ts";
import { type Outcome, refuse } from "../lib/outcome.ts";
import type { Rows, Stamp } from "../lib/rows.ts";
import { orderedOperation } from "./codec.ts";
import type { KeyRecord, Operation } from "./commands.ts";
import { type HotRows, keys, meta } from "./tables.ts";

/** Keys kept: at 1,000 requests a second the last 100 s of them, in some 30 MB. */
export const keysKept = 100_000;
/** Milliseconds of log time for which a key is kept: longer than any client goes on trying. */
export const keyAgeMs = 15 * 60_000;
/** Keys forgotten by one command at most: more than one, so that a full list gets shorter; few, so that no apply is long. */
export const keysForgottenPerCommand = 4;
/**
 * How far a key's stamp may lie ahead of log time, in ms. Whoever mints keys reads log time a little differently, and
 * a new leader goes on from the last stamp; but a key from far ahead would raise the floor above everybody's.
 */
export const keyAheadMs = 60_000;

/** `<log time, ms>-<16 hex digits>` */
const keyForm = /^([0-9]{1,15})-[0-9a-f]{16}$/;

/** The log time in a key; undefined when it is not a key. */
export function stampOfKey(key: string): number | undefined {
  const stamp = keyForm.exec(key)?.[1];
  return stamp === undefined ? undefined : Number(stamp);
}

/**
 * What makes two requests the same: all of the operation but what the cluster found out on the client's behalf. When a
 * client repeats a put or a submission after a lost answer, the node that it asks then has other replicas
 * acknowledge, or resolves the inputs at a later index; it is the same request nevertheless.
 */
export function requestHash(operation: Operation): string {
  return hash64(pack(asked(orderedOperation(operation))));
}

function asked(operation: Operation): unknown {
  switch (operation.kind) {
    case "commit-files":
      return operation.files.map(({ path, bytes, chunks, ifVersion }) => [
        path,
        bytes,
        chunks.map(({ hash }) => hash),
        ifVersion ?? -1,
      ]);
    case "submit-job": {
      const { kind, name, model, batchSize, weight, maxErrors } = operation;
      const { priority, retryOf, modelVersion } = operation;
      // What came later counts only where it is given: keys of before keep their hashes.
      const later = Object.entries({ priority, retryOf, modelVersion }).filter(
        ([, value]) => value !== undefined,
      );
      return [kind, name, model, batchSize, weight, maxErrors ?? -1, ...later];
    }
    default:
      return operation;
  }
}

/** What is known of a key before its command: the answer to give at once, or undefined when it is new. */
export function answerOf(
  rows: Rows,
  key: string,
  request: string,
  { now }: Stamp,
): Outcome | undefined {
  const stamp = stampOfKey(key);
  if (stamp === undefined || stamp > now + keyAheadMs)
    return refuse("INVALID", {
      what: `the idempotency key ${key}`,
      why: stamp === undefined ? "it is not one" : "its time lies ahead of the cluster's",
      remedy: "take one from POST /v1/keys",
    });
  const known = keys.get(rows, key);
  if (known !== undefined)
    return known.request === request ? known.outcome : refuse("KEY_REUSED", { key });
  const floor = meta.table.get(rows, meta.keyFloor) ?? 0;
  return stamp <= floor ? refuse("KEY_EXPIRED", { key }) : undefined;
}

/** Refused for the moment, by what may have changed when the request comes again: too few nodes up, or a full table. */
export function isUndecided(outcome: Outcome): boolean {
  return outcome.kind === "refused" && undecided.has(outcome.code);
}

const undecided: ReadonlySet<string> = new Set(["TOO_FEW_COPIES", "STALE_CATALOG", "BUSY"]);

/** Keeps the outcome of a key's first use. */
export function remember(
  rows: Rows,
  key: string,
  what: Stamp & { readonly request: string; readonly outcome: Outcome },
): void {
  const { index, now, request, outcome } = what;
  const record: KeyRecord = { index, at: now, request, outcome };
  keys.put(rows, key, record);
}

/** K2: the keys in the order of first use, beside the rows that hold them. */
export class KeyOrder {
  #keys: string[] = [];
  /** Keys before this one are forgotten; they are cut off now and then, so that each costs nothing. */
  #head = 0;
  /** Rows are loaded in any order. */
  #sorted = true;

  get size(): number {
    return this.#keys.length - this.#head;
  }

  added(key: string, isLoading: boolean): void {
    this.#keys.push(key);
    if (isLoading) this.#sorted = false;
  }

  /** The oldest key was forgotten. */
  forgotten(): void {
    this.#head += 1;
    if (this.#head < 1_024 || this.#head < this.#keys.length / 2) return;
    this.#keys = this.#keys.slice(this.#head);
    this.#head = 0;
  }

  /** The key that is `n` places from the oldest. */
  at(n: number, hot: HotRows): string | undefined {
    if (!this.#sorted) {
      const indexOf = (key: string): number => (hot.get(keys.key(key)) as KeyRecord).index;
      this.#keys = this.#keys.slice(this.#head).sort((a, b) => indexOf(a) - indexOf(b));
      this.#head = 0;
      this.#sorted = true;
    }
    return this.#keys[this.#head + n];
  }
}

/** Forgets the oldest keys when there are too many or they are too old, and raises the floor to their stamps. */
export function forgetOldKeys(
  rows: Rows,
  { now }: Stamp,
  kept: { readonly order: KeyOrder; readonly hot: HotRows; readonly size: number },
): void {
  const before = meta.table.get(rows, meta.keyFloor) ?? 0;
  let floor = before;
  for (let n = 0; n < keysForgottenPerCommand; n += 1) {
    const key = kept.order.at(n, kept.hot);
    const record = key === undefined ? undefined : keys.get(rows, key);
    if (key === undefined || record === undefined) break;
    if (kept.size - n <= keysKept && record.at + keyAgeMs >= now) break;
    keys.delete(rows, key);
    floor = Math.max(floor, stampOfKey(key) ?? 0); // unreachable: what is no key is never kept
  }
  if (floor !== before) meta.table.put(rows, meta.keyFloor, floor);
}
