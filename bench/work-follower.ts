/**
 * Watches results being committed, from outside: it reads a node's log over HTTP as it grows and takes note of every
 * committed completion, with the term it was committed in. A count of finished queries would not do: one that the old
 * leader had committed may become visible only under the next, and must not be taken for the next one's work.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { IDunnoClient } from "../src/client/client.ts";
import type { LogEntryView } from "../src/lib/api/files.ts";
import { parser, Type } from "../src/lib/schema.ts";
import { asIDunnoError, IDunnoError } from "../src/lib/errors.ts";
import { LogOffset } from "./log-offset.ts";

/** A query's result, the first time that the log has it. */
export interface Completed {
  readonly job: string;
  readonly query: number;
  readonly node: string;
  readonly inputs: number;
  /** The slot time of the query. */
  readonly elapsedMs: number;
  /** From its beginning to its end on the worker: more than that where others took turns with it. */
  readonly spanMs: number;
  /** Term of the leader that proposed it. */
  readonly term: number;
  /** When this process saw it committed, on its own clock. */
  readonly seenMs: number;
  /** Log time at which the leader proposed it. */
  readonly atMs: number;
}

interface Waiter {
  readonly test: (completed: Completed) => boolean;
  readonly resolve: (completed: Completed) => void;
  readonly reject: (error: unknown) => void;
}

const parseCommand = parser(
  Type.Object({ operation: Type.Object({ kind: Type.String() }) }),
  "command",
);
const parseMark = parser(
  Type.Object({ operation: Type.Object({ node: Type.String(), state: Type.String() }) }),
  "mark command",
);
const parseWork = parser(
  Type.Object({
    at: Type.Number(),
    operation: Type.Object({
      assign: Type.Array(Type.Object({ job: Type.String(), node: Type.String() })),
      complete: Type.Array(
        Type.Object({
          job: Type.String(),
          query: Type.Number(),
          node: Type.String(),
          elapsedMs: Type.Number(),
          spanMs: Type.Optional(Type.Number()),
          outputs: Type.Array(Type.Unknown()),
        }),
      ),
    }),
  }),
  "work command",
);

/** What a log entry says of queries and their nodes. */
export interface Work {
  readonly completed: readonly Completed[];
  /** Jobs of which queries were handed out. */
  readonly assigned: readonly string[];
  /** A node declared down. */
  readonly down: string | undefined;
  /** Log time at which a leader proposed it; undefined for what is no work. */
  readonly atMs: number | undefined;
}

export function workOf(
  { kind, command, term }: Pick<LogEntryView, "kind" | "command" | "term">,
  seenMs: number,
): Work {
  const nothing: Work = { completed: [], assigned: [], down: undefined, atMs: undefined };
  if (kind !== "command") return nothing;
  const operation = parseCommand(command).operation.kind;
  if (operation === "mark-member") {
    const { node, state } = parseMark(command).operation;
    return state === "down" ? { ...nothing, down: node } : nothing;
  }
  if (operation !== "work") return nothing;
  const { at: atMs, operation: work } = parseWork(command);
  const { complete, assign } = work;
  return {
    completed: complete.map(({ job, query, node, elapsedMs, spanMs = elapsedMs, outputs }) => {
      const inputs = outputs.length;
      return { job, query, node, inputs, elapsedMs, spanMs, term, seenMs, atMs };
    }),
    assigned: assign.map(({ job }) => job),
    down: undefined,
    atMs,
  };
}

export class WorkFollower implements AsyncDisposable {
  readonly completed: Completed[] = [];
  /** When each node was first seen to be declared down. */
  readonly downMs = new Map<string, number>();
  /** When each job was first seen to be given a node for a query. */
  readonly assignedMs = new Map<string, number>();
  readonly #known = new Set<string>();
  readonly #waiters = new Set<Waiter>();
  readonly #offset = new LogOffset();
  readonly #client: IDunnoClient;
  readonly #everyMs: number;
  readonly #closing = new AbortController();
  #next: number;
  #failure: IDunnoError | undefined;
  #running: Promise<void> = Promise.resolve();

  private constructor(client: IDunnoClient, everyMs: number, next: number) {
    this.#client = client;
    this.#everyMs = everyMs;
    this.#next = next;
  }

  /**
   * Follows from now on.
   * @param client of the one node whose log is read
   */
  static async start(client: IDunnoClient, everyMs: number): Promise<WorkFollower> {
    const { commitIndex } = await client.pinned().status();
    const follower = new WorkFollower(client, everyMs, commitIndex + 1);
    follower.#running = follower.#follow();
    return follower;
  }

  /** The first completion, past or to come, that passes. @throws TIMED_OUT */
  async first(
    test: Waiter["test"],
    { what, withinMs }: { readonly what: string; readonly withinMs: number },
  ): Promise<Completed> {
    const past = this.completed.find(test);
    if (past !== undefined) return past;
    if (this.#failure !== undefined) throw this.#failure;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        test,
        resolve: (completed) => {
          end();
          resolve(completed);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const late = new IDunnoError("TIMED_OUT", { what, afterMs: withinMs });
      const timer = setTimeout(() => waiter.reject(late), withinMs);
      this.#waiters.add(waiter);
    });
  }

  /**
   * When its worker began it, on this process's clock: late by its way to the leader and by the quickest commit and look of
   * this leader's, never early.
   */
  beganMs({ term, atMs, spanMs }: Completed): number {
    return this.#offset.here(term, atMs) - spanMs;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    try {
      while (!signal.aborted) {
        const from = this.#next;
        const { entries, commitIndex } = await this.#client.log({ from, limit: 200 }, { signal });
        const seenMs = performance.now();
        for (const entry of entries.filter(({ index }) => index <= commitIndex)) {
          this.#next = entry.index + 1;
          const work = workOf(entry, seenMs);
          if (work.atMs !== undefined) this.#offset.saw(entry.term, work.atMs, seenMs);
          this.#note(work, seenMs);
        }
        await sleep(this.#everyMs, undefined, { signal });
      }
    } catch (error) {
      if (signal.aborted) return;
      const failure = asIDunnoError(error);
      this.#failure = failure;
      for (const { reject } of this.#waiters) reject(failure);
    }
  }

  #note({ completed, assigned, down }: Work, seenMs: number): void {
    if (down !== undefined && !this.downMs.has(down)) this.downMs.set(down, seenMs);
    for (const job of assigned) if (!this.assignedMs.has(job)) this.assignedMs.set(job, seenMs);
    for (const each of completed) {
      const id = `${each.job}/${each.query}`;
      // A worker that had no answer tells the next leader again: the first time counted.
      if (this.#known.has(id)) continue;
      this.#known.add(id);
      this.completed.push(each);
      for (const { test, resolve } of this.#waiters) if (test(each)) resolve(each);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const closed = new IDunnoError("CLOSED", { what: "the follower of the log" });
    for (const { reject } of this.#waiters) reject(closed);
    await this.#running;
  }
}
