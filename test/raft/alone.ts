/** One core whose peers are played by the test: messages in by hand, what it says out, its disk as fast as wanted. */
import { LogIndex, NodeId, Term } from "../../src/lib/types.ts";
import { encodeConfiguration, simpleConfiguration } from "../../src/raft/configuration.ts";
import { Raft } from "../../src/raft/core.ts";
import {
  type Configuration,
  defaultLimits,
  defaultTimings,
  type Entry,
  type Message,
  type RaftEvent,
  type RaftLimits,
  type RaftTimings,
  type Ready,
} from "../../src/raft/types.ts";
import { Disk } from "./simulation/disk.ts";

export const n1 = NodeId("n1");
export const n2 = NodeId("n2");
export const n3 = NodeId("n3");
export const n4 = NodeId("n4");
export const n5 = NodeId("n5");

export interface AloneOptions {
  readonly id: NodeId;
  readonly voters: readonly NodeId[];
  readonly term: number;
  readonly vote: NodeId | undefined;
  /** The terms of its log's entries, from index 1 on. */
  readonly log: readonly number[];
  /** Instead of `log`. */
  readonly entries: readonly Entry[];
  readonly seed: number;
  readonly timings: RaftTimings;
  readonly limits: RaftLimits;
  /** Whether writes are durable at once; else {@link Alone.persisted} says when. */
  readonly hasFastDisk: boolean;
}

export function entry(index: number, term: number, text = ""): Entry {
  const data = new TextEncoder().encode(text);
  return { index: LogIndex(index), term: Term(term), kind: "command", data };
}

export function configurationEntry(
  index: number,
  term: number,
  configuration: Configuration,
): Entry {
  const data = encodeConfiguration(configuration);
  return { index: LogIndex(index), term: Term(term), kind: "configuration", data };
}

/** The envelope and the numbers of a message, as plain numbers. */
type Plain<M> = M extends Message
  ? Omit<M, "to" | "term" | "from"> & { readonly from: NodeId; readonly term: number }
  : never;

export class Alone {
  readonly raft: Raft;
  readonly disk: Disk;
  now = 0;
  /** Everything said so far that {@link said} has not given out. */
  #said: Message[] = [];
  readonly #held: { readonly afterWrite: number; readonly message: Message }[] = [];
  readonly #writes: { readonly write: number; readonly reach: () => void }[] = [];
  #durable = 0;
  #last: Ready | undefined;
  readonly #id: NodeId;
  readonly #hasFastDisk: boolean;
  readonly reads = new Map<number, number | undefined>();

  constructor(options: Partial<AloneOptions> = {}) {
    const { id = n1, voters = [n1, n2, n3], term = 0, vote, log = [] } = options;
    const entries = options.entries ?? log.map((each, i) => entry(i + 1, each));
    this.#id = id;
    this.#hasFastDisk = options.hasFastDisk ?? true;
    this.disk = new Disk(voters);
    this.disk.entries = [...entries];
    this.disk.hardState = { term: Term(term), vote };
    this.raft = new Raft(
      {
        id,
        configurations: [
          { index: LogIndex(0), configuration: simpleConfiguration(voters) },
          ...this.disk.configurations().slice(1),
        ],
        timings: options.timings ?? { ...defaultTimings, commitNoticeMs: 0 },
        limits: options.limits ?? defaultLimits,
        seed: options.seed ?? 1,
        now: 0,
        hardState: this.disk.hardState,
        base: { index: LogIndex(0), term: Term(0) },
        lastIndex: LogIndex(entries.length),
        lastTerm: entries.at(-1)?.term ?? Term(0),
        appliedIndex: LogIndex(0),
        damaged: false,
      },
      { log: { read: (from, to, maxBytes) => this.disk.read(from, to, maxBytes) } },
    );
  }

  get kind(): string {
    return this.raft.role.kind;
  }

  get term(): number {
    return this.raft.role.term;
  }

  get leader(): string | undefined {
    return this.raft.role.leader;
  }

  get commit(): number {
    return this.raft.commitIndex;
  }

  /** The core's state after the last event. */
  get ready(): Ready | undefined {
    return this.#last;
  }

  hear(message: Plain<Message>): void {
    const { term, ...rest } = message;
    const full = { ...rest, to: this.#id, term: Term(term) } as Message;
    this.step({ kind: "message", message: full });
  }

  step(event: RaftEvent): void {
    this.raft.step(event, this.now);
    this.turn();
  }

  /** Lets time pass, a tick at each deadline. */
  pass(ms: number): void {
    const end = this.now + ms;
    while (this.raft.deadline <= end) {
      this.now = Math.max(this.now, this.raft.deadline);
      this.step({ kind: "tick" });
    }
    this.now = end;
  }

  /** Waits for its election deadline. */
  timeOut(): void {
    this.pass(Math.max(0, this.raft.deadline - this.now));
  }

  turn(): void {
    const ready = this.raft.takeReady();
    this.#last = ready;
    for (const { id, index } of ready.reads) this.reads.set(id, index);
    for (const { message, afterWrite } of ready.messages)
      if (afterWrite <= this.#durable) this.#said.push(message);
      else this.#held.push({ message, afterWrite });
    const { persist } = ready;
    if (persist === undefined) return;
    this.#writes.push({ write: persist.write, reach: () => this.disk.apply(persist) });
    if (this.#hasFastDisk) this.persisted();
  }

  /** What was written so far is durable; answers that waited for it leave. */
  persisted(): void {
    const last = this.#writes.at(-1);
    for (const { reach } of this.#writes.splice(0)) reach();
    if (last === undefined) return;
    this.#durable = last.write;
    for (const { message, afterWrite } of this.#held.splice(0))
      if (afterWrite <= this.#durable) this.#said.push(message);
      else this.#held.push({ message, afterWrite });
    this.step({ kind: "persisted", write: last.write });
  }

  /** Takes out what was said, of one kind or all. */
  said(): Message[];
  said<K extends Message["kind"]>(kind: K): Extract<Message, { readonly kind: K }>[];
  said(kind?: Message["kind"]): Message[] {
    const all = this.#said;
    this.#said = [];
    return kind === undefined ? all : all.filter((message) => message.kind === kind);
  }

  propose(text: string): ReturnType<Raft["propose"]> {
    const proposed = this.raft.propose([new TextEncoder().encode(text)], this.now);
    this.turn();
    return proposed;
  }

  /** Makes it stand for election: its deadline passes and the others let it. */
  campaign(granting: readonly NodeId[]): void {
    this.timeOut();
    const term = this.raft.role.term + 1;
    if (this.raft.role.kind === "preCandidate")
      for (const from of granting) this.hear({ kind: "preVoteReply", from, term, granted: true });
  }

  /** Makes it the leader of the next term. */
  lead(granting: readonly NodeId[] = [n2, n3]): void {
    this.campaign(granting);
    const { term } = this.raft.role;
    for (const from of granting) this.hear({ kind: "voteReply", from, term, granted: true });
    if (this.raft.role.kind !== "leader") throw new Error("it was not elected");
  }

  /** A peer says that its log agrees up to an index. */
  matches(from: NodeId, index: number): void {
    this.hear({
      kind: "appendReply",
      from,
      term: this.raft.role.term,
      result: { kind: "matched", matchIndex: LogIndex(index) },
      damaged: false,
    });
  }

  /** A peer answers the newest heartbeat. */
  beats(from: NodeId, readPosition = 0): void {
    this.hear({
      kind: "heartbeatReply",
      from,
      term: this.raft.role.term,
      readPosition,
      sentAt: this.now,
      damaged: false,
    });
  }

  /** The leader n2 of a term sends entries after (prevIndex, prevTerm). */
  hearAppend(
    from: NodeId,
    term: number,
    [prevIndex, prevTerm]: readonly [number, number],
    entries: readonly Entry[],
    commit = 0,
  ): void {
    this.hear({
      kind: "append",
      from,
      term,
      prevIndex: LogIndex(prevIndex),
      prevTerm: Term(prevTerm),
      entries,
      leaderCommit: LogIndex(commit),
      healIndex: undefined,
    });
  }

  hearVote(from: NodeId, term: number, [lastIndex, lastTerm]: readonly [number, number]): void {
    this.hear({
      kind: "vote",
      from,
      term,
      lastIndex: LogIndex(lastIndex),
      lastTerm: Term(lastTerm),
      handover: false,
    });
  }

  hearHeartbeat(from: NodeId, term: number, commit = 0): void {
    this.hear({
      kind: "heartbeat",
      from,
      term,
      commit: LogIndex(commit),
      readPosition: 0,
      sentAt: 0,
      healIndex: undefined,
    });
  }

  /** The terms of its log, from index 1 on. */
  get log(): number[] {
    return Array.from({ length: this.raft.lastIndex }, (_, i) => {
      const [found] = this.raft.entries(LogIndex(i + 1), 0);
      return found?.term ?? -1;
    });
  }
}
