/**
 * Lets queries of different jobs take turns on this node's slots, a piece of some inputs at a time: so each job has its share in
 * any few seconds, though a query of a large network takes many (decision 21).
 *
 * Invariants
 *  I1 a query's pieces are its inputs in order, each input in exactly one; its result is theirs, in that order. Of a query for
 *     arrays there is one piece, since its arrays are one file;
 *  I2 only so many pieces are cut that each thread has one to run and one ahead, or brief ones of a job that is alone here for
 *     some 160 ms; what comes next is decided then;
 *  I3 the next piece is of the job that has made the least progress here, and of its queries of the one that came first.
 *     A job's progress grows by the part that a piece is of its query, per weight, when the piece is cut;
 *  I4 a job that is new here starts at the least progress of those here, or at the most that any had when none is; one
 *     that comes back keeps its own, but is never further behind than one query;
 *  I5 a query is settled once: by its last piece, or by the first that fails; after that nothing of it is begun;
 *  I6 no two pieces have one id, though a query may come again while a thread still holds a piece of its last try.
 */
import { asIDunnoError, type IDunnoError } from "../lib/errors.ts";
import type { Clock } from "./clock.ts";
import { cancelled } from "./dispatcher.ts";
import type { ModelPlan } from "./protocol.ts";
import type { Piece, SharedQuery } from "./shared-query.ts";
import { BRIEF_PER_SLOT, HELD_PER_SLOT } from "./slots.ts";
import type { QueryRequest, QueryResult } from "./types.ts";

/** A job that has the node for itself is cut into pieces of about this time, so that another need not wait longer. */
const ALONE_MS = 500;
/** While jobs take turns, about this time at most: each of them waits for the pieces of the others. */
const TURN_MS = 150;
/**
 * Of jobs that take turns each has its query cut into so many pieces, whatever it costs, so that they go on in step: a
 * window of one query then shows shares to 3 %.
 */
const PIECES_PER_QUERY = 32;
/** But pieces take this time at least, on the average of those jobs: two messages between processes are some hundredths of it. */
const LEAST_MS = 20;
/**
 * A piece of less than this, of a job that has the node for itself, is brief: it takes a part of a place only, so that threads
 * have some more of them, as many inputs as begin to be decoded together (thread-query.ts), and its answer may wait for others
 * (answer-relay.ts).
 */
const BRIEF_MS = 80;
/** A place's parts; a piece takes so many of them as its time is of {@link BRIEF_MS}. */
const PARTS = 8;
const LEAST_PARTS = (PARTS * HELD_PER_SLOT) / BRIEF_PER_SLOT;
/** Jobs that went away and are remembered, for I4. */
const REMEMBERED_JOBS = 64;
/** How much the newest piece says about what an input costs. */
const NEWEST = 0.5;

export interface InterleaverPorts {
  readonly clock: Clock;
  /** Runs a piece; settles as {@link SharedQuery.answer} does. */
  readonly run: (
    request: QueryRequest,
    plan: ModelPlan,
    onProgress: (inputsDone: number) => void,
  ) => Promise<QueryResult>;
  /** Unknown ids are ignored. */
  readonly cancel: (id: string) => void;
  /** The last query has been settled. */
  readonly onEmpty: () => void;
}

/** A job as this node knows it. */
interface Sharer {
  progress: number;
  /** Parts of queries that have been run, whether or not their queries came to an end. */
  queriesRun: number;
  /** Slot time; unknown until a piece is done. */
  perInputMs: number | undefined;
  /** Those that may run and are not settled, as they came. */
  readonly queries: Set<SharedQuery>;
}

export class Interleaver {
  /** Parts of places. */
  readonly #room: number;
  readonly #ports: InterleaverPorts;
  readonly #queries = new Map<string, SharedQuery>();
  /** By job; those that went away longest ago first. */
  readonly #sharers = new Map<string, Sharer>();
  #taken = 0;
  #serial = 0;
  #isClosing = false;
  #onDrained: () => void = () => undefined;

  constructor(slots: number, ports: InterleaverPorts) {
    this.#room = slots * HELD_PER_SLOT * PARTS;
    this.#ports = ports;
  }

  /** Queries that have no answer yet. */
  get size(): number {
    return this.#queries.size;
  }

  /** Of these, the ones that nothing has been done for. */
  get queued(): number {
    return [...this.#queries.values()].filter(({ isBegun }) => !isBegun).length;
  }

  /** The models that they need. */
  get models(): ReadonlySet<number> {
    return new Set([...this.#queries.values()].flatMap(({ plan }) => plan?.key ?? []));
  }

  /** What has been run of each job, in queries, parts included: of the jobs here and of those that went away last. */
  get queriesRun(): ReadonlyMap<string, number> {
    return new Map([...this.#sharers].map(([job, { queriesRun }]) => [job, queriesRun]));
  }

  has(id: string): boolean {
    return this.#queries.has(id);
  }

  /** Accepts a query whose model may still be loading; {@link place} follows. */
  accept(query: SharedQuery): void {
    this.#queries.set(query.request.id, query);
  }

  /** Its model is loaded: it may run. */
  place(query: SharedQuery, plan: ModelPlan): void {
    if (query.isSettled) return;
    query.plan = plan;
    this.#sharerOf(query.job).queries.add(query);
    // Beside others it waits for nobody, and may go on beside the slots where a piece would have to wait for one.
    if (query.request.express === true && this.#isContested()) this.#begin(query, true);
    this.#pump();
  }

  reject(query: SharedQuery, error: IDunnoError): void {
    if (query.isSettled) return;
    query.reject(error);
    this.#forget(query);
  }

  rejectWhere(which: (query: SharedQuery) => boolean, error: IDunnoError): void {
    for (const query of this.#queries.values()) if (which(query)) this.reject(query, error);
  }

  /** Stops it after the micro-batches in hand. */
  cancel(id: string): void {
    const query = this.#queries.get(id);
    if (query === undefined) return;
    query.isCancelled = true;
    if (query.placed.length === 0) this.reject(query, cancelled(id));
    else for (const piece of query.placed) this.#ports.cancel(piece);
  }

  /** Cancels what has not begun, and waits for the rest. */
  async drain(withinMs: number): Promise<void> {
    this.#isClosing = true;
    for (const query of this.#queries.values()) if (!query.isBegun) this.cancel(query.request.id);
    if (this.#queries.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#ports.clock.after(withinMs, resolve);
      this.#onDrained = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #sharerOf(job: string): Sharer {
    const known = this.#sharers.get(job);
    if (known !== undefined && known.queries.size > 0) return known;
    // It comes, or comes back (I4).
    const here = [...this.#sharers.values()].filter(({ queries }) => queries.size > 0);
    const least =
      here.length > 0
        ? Math.min(...here.map(({ progress }) => progress))
        : Math.max(0, ...[...this.#sharers.values()].map(({ progress }) => progress));
    const sharer = known ?? {
      progress: least,
      queriesRun: 0,
      perInputMs: undefined,
      queries: new Set(),
    };
    sharer.progress = Math.max(sharer.progress, least - 1);
    this.#sharers.set(job, sharer);
    return sharer;
  }

  /** I2, I3. */
  #pump(): void {
    while (this.#taken < this.#room) {
      const query = this.#next();
      if (query === undefined) return;
      this.#begin(query, false);
    }
  }

  #next(): SharedQuery | undefined {
    let least = Infinity;
    let next: SharedQuery | undefined;
    for (const { progress, queries } of this.#sharers.values()) {
      if (progress >= least) continue;
      for (const query of queries) {
        if (query.isWhollyCut || query.isCancelled || (this.#isClosing && !query.isBegun)) continue;
        least = progress;
        next = query;
        break;
      }
    }
    return next;
  }

  #begin(query: SharedQuery, express: boolean): void {
    const { plan, request } = query;
    const sharer = this.#sharers.get(query.job);
    if (plan === undefined || sharer === undefined) return;
    const isContested = this.#isContested();
    const count = express ? query.left : this.#pieceOf(query, sharer, isContested);
    const total = Math.max(1, request.inputs.length);
    sharer.progress += count / total / (request.weight ?? 1);
    const { perInputMs } = sharer;
    // While jobs take turns nothing is cut before its turn comes.
    const isUsual = perInputMs === undefined || isContested;
    const parts = isUsual ? PARTS : partsOf(count * perInputMs);
    const brief = parts < PARTS && !express;
    const piece = query.cutOff(count, { serial: this.#serial, express, brief });
    this.#serial += 1;
    this.#taken += parts;
    // Never rejects: what goes wrong is the query's answer.
    void this.#run(query, piece, plan, sharer).then(() => {
      this.#taken -= parts;
      this.#pump();
    });
  }

  /** Inputs of the next piece. */
  #pieceOf({ left, request }: SharedQuery, { perInputMs }: Sharer, isContested: boolean): number {
    if (request.tensorsTo !== undefined) return left;
    if (perInputMs === undefined) return Math.min(1, left);
    const within = (ms: number): number => Math.max(1, Math.floor(ms / perInputMs));
    const alone = within(ALONE_MS);
    if (!isContested) return alone * 1.5 >= left ? left : alone;
    const share = Math.ceil(request.inputs.length / this.#piecesPerQuery());
    return Math.min(share, within(TURN_MS), left);
  }

  /** While jobs take turns. A dear one pays for the messages of a cheap one: in a round of turns they are as few. */
  #piecesPerQuery(): number {
    let turns = 0;
    let ms = 0;
    for (const { perInputMs = 0, queries } of this.#sharers.values()) {
      // The one whose turns they are; those behind it are alike.
      const [query] = queries;
      if (query === undefined) continue;
      const { weight = 1, inputs } = query.request;
      turns += weight;
      ms += weight * inputs.length * perInputMs;
    }
    return Math.min(PIECES_PER_QUERY, Math.max(1, Math.floor(ms / turns / LEAST_MS)));
  }

  #isContested(): boolean {
    let sharers = 0;
    for (const { queries } of this.#sharers.values()) if (queries.size > 0) sharers += 1;
    return sharers > 1;
  }

  async #run(query: SharedQuery, piece: Piece, plan: ModelPlan, sharer: Sharer): Promise<void> {
    const placedAtMs = this.#ports.clock.now();
    const { request } = piece;
    const counted = (tell: () => void): void => {
      const before = query.inputsDone;
      tell();
      sharer.queriesRun += (query.inputsDone - before) / Math.max(1, query.request.inputs.length);
    };
    try {
      const result = await this.#ports.run(request, plan, (done) =>
        counted(() => query.progress(piece, done)),
      );
      if (result.kind === "done") {
        this.#learn(sharer, result);
        counted(() => query.done(piece, result, placedAtMs));
      } else {
        query.dropped(piece);
        if (!query.isSettled) query.resolve(result);
      }
    } catch (error) {
      query.dropped(piece);
      if (!query.isSettled && !query.isCancelled) query.reject(asIDunnoError(error));
    }
    if (query.isCancelled && !query.isSettled && query.placed.length === 0)
      query.reject(cancelled(query.request.id));
    if (query.isSettled) this.#forget(query);
  }

  /** Inputs that gave nothing but an error say nothing of what the network costs. */
  #learn(sharer: Sharer, { outputs, timings }: Extract<QueryResult, { kind: "done" }>): void {
    const inputs = outputs.filter(({ kind }) => kind !== "error").length;
    if (inputs === 0) return;
    const perInputMs = timings.totalMs / inputs;
    const before = sharer.perInputMs ?? perInputMs;
    sharer.perInputMs = Math.max(0.001, before + NEWEST * (perInputMs - before));
  }

  /** It is settled (I5). */
  #forget(query: SharedQuery): void {
    const { id } = query.request;
    if (this.#queries.get(id) !== query) return;
    this.#queries.delete(id);
    for (const piece of query.placed) this.#ports.cancel(piece);
    const sharer = this.#sharers.get(query.job);
    sharer?.queries.delete(query);
    if (sharer?.queries.size === 0) this.#away(query.job, sharer);
    if (this.#queries.size > 0) return;
    this.#onDrained();
    this.#ports.onEmpty();
  }

  /** The job has nothing here any more, but may come back soon. */
  #away(job: string, sharer: Sharer): void {
    this.#sharers.delete(job);
    this.#sharers.set(job, sharer);
    let absent = 0;
    for (const { queries } of this.#sharers.values()) if (queries.size === 0) absent += 1;
    for (const [name, { queries }] of this.#sharers) {
      if (absent <= REMEMBERED_JOBS) return;
      if (queries.size > 0) continue;
      this.#sharers.delete(name);
      absent -= 1;
    }
  }
}

/** Of a place, for a piece that is to take so long. */
function partsOf(ms: number): number {
  return Math.min(PARTS, Math.max(LEAST_PARTS, Math.ceil((PARTS * ms) / BRIEF_MS)));
}
