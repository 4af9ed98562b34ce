/**
 * The replicated state machine: commands in, mutations and an outcome out. It owns the hot rows and reads cold ones
 * through a port; it knows no disk, clock or chance, so every replica that applies the same log has the same state,
 * and a whole cluster can be simulated in one thread.
 *
 * M1 Applying is a function of the state and the command: same outcome, same mutations, on every replica.
 * M2 A refused command changes nothing but log time and its idempotency key; of one refused for the moment only, not
 *    even the key is kept.
 * M3 A state loaded from the rows that the mutations made behaves like the one that made them.
 * M4 Log time never goes back.
 */
import { type JobId, LogTime, type NodeId, type QueryNumber, type StoreId } from "../lib/types.ts";
import { type Outcome, refuse } from "../lib/outcome.ts";
import type { Stamp } from "../lib/rows.ts";
import { hasEnded, queries, queryId } from "../scheduler/rows.ts";
import type { JobProgress, JobRecord, QueryRecord } from "../scheduler/types.ts";
import type { QuotaRecord, StoreRecord } from "../sdfs/catalog/types.ts";
import type {
  AliasRecord,
  Command,
  MemberRecord,
  ModelRecord,
  Operation,
  SettingRecord,
} from "./commands.ts";
import { KeyOrder, answerOf, forgetOldKeys, isUndecided, remember, requestHash } from "./keys.ts";
import { perform } from "./perform.ts";
import { HotRows, isHot, meta } from "./tables.ts";
import { ColdReadFailure, type ColdTables, type Mutation, Transaction } from "./transaction.ts";

export type { ColdTables, Mutation };

/** What a command did. The node writes the mutations, in order, with the command's index beside them. */
export interface Applied {
  readonly outcome: Outcome;
  readonly mutations: readonly Mutation[];
  /** What was thrown, when the outcome is INTERNAL: for this node's log. Not part of the replicated state. */
  readonly failure?: unknown;
}

export class Machine {
  readonly #cold: ColdTables;
  readonly #hot = new HotRows();
  #keys = new KeyOrder();
  #memberChanges = 0;
  #chunkLosses = 0;
  #lackingChanges = 0;
  #modelChanges = 0;
  #jobEnds = 0;

  constructor(ports: { readonly cold: ColdTables }) {
    this.#cold = ports.cold;
  }

  /** Whether a row belongs to a hot table, and so must be given to {@link loadRow} at start. */
  static isHot(key: string): boolean {
    return isHot(key);
  }

  /** Takes a hot row as it was read from disk. All of them, in any order, before the first {@link apply}. */
  loadRow(key: string, value: unknown): void {
    this.#hot.set(key, value);
    if (key.startsWith("key/")) this.#keys.added(key.slice("key/".length), true);
  }

  /** Replaces every hot row, when a snapshot becomes the state. The views of whole tables stay alive. */
  reload(rows: Iterable<readonly [key: string, value: unknown]>): void {
    this.#hot.clear();
    this.#keys = new KeyOrder();
    this.#memberChanges += 1;
    this.#chunkLosses += 1;
    this.#lackingChanges += 1;
    this.#modelChanges += 1;
    this.#jobEnds += 1;
    for (const [key, value] of rows) this.loadRow(key, value);
  }

  /**
   * Applies the command of log index `index`. Never throws for what a command says; it throws only when reading a cold
   * row failed, with what the port threw: then nothing was applied, and the node must end.
   */
  apply(command: Command, index: number): Applied {
    const tx = new Transaction(this.#hot, this.#cold);
    const { logTime } = this;
    const stamp: Stamp = { index, now: command.at > logTime ? command.at : logTime };
    try {
      const { outcome, isNew, failure } = this.#once(tx, command, stamp);
      if (stamp.now !== logTime) meta.table.put(tx, meta.logTime, stamp.now);
      const size = this.#keys.size + (isNew ? 1 : 0);
      forgetOldKeys(tx, stamp, { order: this.#keys, hot: this.#hot, size });
      const mutations = tx.mutations();
      this.#commit(mutations);
      if (command.operation.kind === "lose-chunks") this.#chunkLosses += 1;
      return failure === undefined ? { outcome, mutations } : { outcome, mutations, failure };
    } catch (error) {
      throw error instanceof ColdReadFailure ? error.cause : error; // unreachable: a fault of ours is caught in attempt
    }
  }

  readonly members: ReadonlyMap<NodeId, MemberRecord> = this.#view("member");
  /** Grows whenever {@link members} changes: cheaper to look at than the list. Of this process, not replicated. */
  get memberChanges(): number {
    return this.#memberChanges;
  }

  /** Grows whenever chunks are said to be lost, or may have been: what had enough copies may want more. Of this process, not replicated. */
  get chunkLosses(): number {
    return this.#chunkLosses;
  }

  /** Grows whenever the list of chunks with too few copies changes. Of this process, not replicated. */
  get lackingChanges(): number {
    return this.#lackingChanges;
  }

  /** Grows whenever models or aliases change. Of this process, not replicated. */
  get modelChanges(): number {
    return this.#modelChanges;
  }

  /** Grows whenever a job ends, and now and then besides. Of this process, not replicated. */
  get jobEnds(): number {
    return this.#jobEnds;
  }

  /** The newest version of each name. */
  readonly models: ReadonlyMap<string, ModelRecord> = this.#view("model");
  /** All other versions (models.ts). */
  readonly olderModels: ReadonlyMap<string, ModelRecord> = this.#view("olderModel");
  readonly aliases: ReadonlyMap<string, AliasRecord> = this.#view("alias");
  readonly settings: ReadonlyMap<string, SettingRecord> = this.#view("setting");
  /** By their prefixes, percent-encoded. */
  readonly quotas: ReadonlyMap<string, QuotaRecord> = this.#view("quota");
  readonly stores: ReadonlyMap<StoreId, StoreRecord> = this.#view("store");
  readonly jobs: ReadonlyMap<JobId, JobRecord> = this.#hot.jobs as ReadonlyMap<JobId, JobRecord>;

  /** The open queries of a job; none for a job that has ended or never was. */
  openQueries(job: JobId): Iterable<QueryRecord> {
    const open = this.#hot.peek(queries.key(job)) as ReadonlyMap<string, QueryRecord> | undefined;
    return open?.values() ?? [];
  }

  /** Whether a query waits for its result; false also of one that was never carved. */
  isOpen(job: JobId, query: QueryNumber): boolean {
    return this.#hot.get(queries.key(queryId(job, query))) !== undefined;
  }

  /** The last stamp applied; a new leader's log time goes on from it. */
  get logTime(): LogTime {
    return LogTime(this.#meta(meta.logTime));
  }

  /** Idempotency keys of this stamp or an older one may have been forgotten. */
  get keyFloor(): LogTime {
    return LogTime(this.#meta(meta.keyFloor));
  }

  /** Jobs must have been resolved at this catalog index or a later one. */
  get collectionFloor(): number {
    return this.#meta(meta.collectionFloor);
  }

  /** Carries out a keyed command at most once. */
  #once(
    tx: Transaction,
    { v, key, operation }: Command,
    stamp: Stamp,
  ): { readonly outcome: Outcome; readonly isNew: boolean; readonly failure?: unknown } {
    if (key === undefined) return { ...attempt(tx, v, operation, stamp), isNew: false };
    const request = hashOf(operation);
    if (request === undefined) return { outcome: malformed, isNew: false };
    const known = answerOf(tx, key, request, stamp);
    if (known !== undefined) return { outcome: known, isNew: false };
    const attempted = attempt(tx, v, operation, stamp);
    // Nothing was decided: the same request may be carried out under the same key a moment later.
    if (isUndecided(attempted.outcome)) return { ...attempted, isNew: false };
    remember(tx, key, { ...stamp, request, outcome: attempted.outcome });
    return { ...attempted, isNew: true };
  }

  #commit(mutations: readonly Mutation[]): void {
    for (const { key, value } of mutations) {
      if (key.startsWith("lacking/")) this.#lackingChanges += 1;
      if (!isHot(key)) continue;
      this.#hot.set(key, value);
      if (key.startsWith("member/")) this.#memberChanges += 1;
      if (isOfModels(key)) this.#modelChanges += 1;
      if (key.startsWith("progress/") && hasEnded((value as JobProgress).status))
        this.#jobEnds += 1;
      if (!key.startsWith("key/")) continue;
      if (value === undefined) this.#keys.forgotten();
      else this.#keys.added(key.slice("key/".length), false);
    }
  }

  #meta(id: string): number {
    return (this.#hot.get(meta.table.key(id)) as number | undefined) ?? 0;
  }

  #view<Id extends string, Row>(group: string): ReadonlyMap<Id, Row> {
    return this.#hot.group(group) as ReadonlyMap<Id, Row>;
  }
}

function isOfModels(key: string): boolean {
  return key.startsWith("model/") || key.startsWith("olderModel/") || key.startsWith("alias/");
}

/** M2: what a refused operation wrote is dropped, and what one wrote that failed by a fault of ours. */
function attempt(
  tx: Transaction,
  v: number,
  operation: Operation,
  stamp: Stamp,
): { readonly outcome: Outcome; readonly failure?: unknown } {
  try {
    const outcome = v === 1 ? perform(tx, operation, stamp) : unknownVersion(v);
    if (outcome.kind === "refused") tx.rollback();
    return { outcome };
  } catch (failure) {
    if (failure instanceof ColdReadFailure) throw failure;
    tx.rollback();
    // M1: a fixed text, since an exception's differs between versions of Node.
    const message = `a command of kind ${String(operation.kind)} could not be applied`;
    return { outcome: refuse("INTERNAL", { message }), failure };
  }
}

/** undefined when the operation is not even one: then no request can be told from another, and none is carried out. */
function hashOf(operation: Operation): string | undefined {
  try {
    return requestHash(operation);
  } catch {
    return undefined;
  }
}

const malformed = refuse("MALFORMED", {
  path: "command/operation",
  expected: "an operation of version 1 with all its fields",
});

function unknownVersion(v: number): Outcome {
  return refuse("INVALID", {
    what: `a command of version ${String(v)}`,
    why: "this node knows version 1 only",
    remedy: "upgrade every node first",
  });
}
