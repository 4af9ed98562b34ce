/**
 * The network between simulated machines: who is cut off from whom, how long what takes, and which process listens
 * where. Connections (link.ts) and requests (peers.ts) are made over it.
 */
import type { Random } from "../../../src/lib/random.ts";
import type { Hello } from "../../../src/net/peers.ts";
import type { PeerHandlers } from "../../../src/net/peers.ts";
import type { NodeId } from "../../../src/lib/types.ts";
import type { SimulatedProcess } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { calmNetwork, type NetworkFaults } from "./faults.ts";
import type { Link } from "./link.ts";

/** A process that listens for its peers. */
export interface Listener {
  readonly id: NodeId;
  readonly process: SimulatedProcess;
  readonly handlers: PeerHandlers;
  /** What it says of itself in a handshake. */
  readonly hello: (to: NodeId, lane: Hello["lane"]) => Hello;
  /** Why it will not talk to a caller; undefined: it will. */
  readonly objection: (hello: Hello) => string | undefined;
  /** Every handshake names a process. */
  readonly learn: (hello: Hello) => void;
}

/** What a dial meets. `silence`: the machine is off, or cut off. */
export type Answer =
  | { readonly kind: "listener"; readonly listener: Listener }
  | { readonly kind: "refused" }
  | { readonly kind: "silence" };

export interface NetworkCounts {
  messages: number;
  lost: number;
  doubled: number;
  requests: number;
  resets: number;
}

export class Network {
  faults: NetworkFaults = calmNetwork;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly links = new Set<Link>();
  readonly counts: NetworkCounts = { messages: 0, lost: 0, doubled: 0, requests: 0, resets: 0 };
  /** "a>b" for each directed way that is cut. */
  readonly #cut = new Set<string>();
  /** "a>b" → until when nothing comes through; then everything does (clogging). */
  readonly #clogged = new Map<string, number>();
  readonly #listeners = new Map<NodeId, Listener>();
  /** Who wants to hear of a process's end. */
  readonly #watchers = new Map<SimulatedProcess, Set<() => void>>();
  /** Hears of every raft message, when somebody wants to draw them. `receivedAt` undefined: it was lost. */
  onMessage:
    | ((message: {
        readonly from: NodeId;
        readonly to: NodeId;
        readonly sentAt: number;
        readonly receivedAt: number | undefined;
        readonly payload: unknown;
      }) => void)
    | undefined;
  /** Machines without power: nobody refuses there. */
  readonly off = new Set<NodeId>();

  constructor(time: VirtualTime, random: Random) {
    this.time = time;
    this.random = random;
  }

  listen(listener: Listener): void {
    this.#listeners.set(listener.id, listener);
  }

  /** The process is gone; its connections close, which the other ends hear of if they can. */
  silence(listener: Listener): void {
    if (this.#listeners.get(listener.id) === listener) this.#listeners.delete(listener.id);
    for (const link of this.links) link.onProcessGone(listener.process);
    for (const heard of this.#watchers.get(listener.process) ?? []) heard();
    this.#watchers.delete(listener.process);
  }

  /** Calls when the process has gone, unless what this returns was called before. */
  watch(process: SimulatedProcess, gone: () => void): () => void {
    const watchers = this.#watchers.get(process) ?? new Set();
    this.#watchers.set(process, watchers);
    watchers.add(gone);
    return () => watchers.delete(gone);
  }

  answer(from: NodeId, to: NodeId): Answer {
    if (!this.isOpen(from, to) || this.off.has(to)) return { kind: "silence" };
    const listener = this.#listeners.get(to);
    return listener === undefined ? { kind: "refused" } : { kind: "listener", listener };
  }

  /** One way's delay for one message, ms. */
  delay(from: NodeId, to: NodeId): number {
    const [least, most] = this.faults.delayMs;
    const usual = this.random.between(Math.round(least * 1_000), Math.round(most * 1_000)) / 1_000;
    const stray = this.random.chance(1, 50) ? this.random.between(0, this.faults.strayMs) : 0;
    const clogged = this.#clogged.get(`${from}>${to}`) ?? 0;
    return Math.max(usual + stray, clogged - this.time.now);
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  /** Whether both ways are open, as a connection needs. */
  isOpen(a: NodeId, b: NodeId): boolean {
    return !this.isCut(a, b) && !this.isCut(b, a);
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  mend(from: NodeId, to: NodeId): void {
    this.#cut.delete(`${from}>${to}`);
  }

  clog(from: NodeId, to: NodeId, ms: number): void {
    this.#clogged.set(`${from}>${to}`, this.time.now + ms);
  }

  heal(): void {
    this.#cut.clear();
    this.#clogged.clear();
  }

  get cuts(): readonly string[] {
    return [...this.#cut];
  }

  /** Connections between two machines are reset, whatever was on its way is lost. */
  reset(a: NodeId, b: NodeId): void {
    for (const link of this.links)
      if ((link.from === a && link.to === b) || (link.from === b && link.to === a)) link.reset();
  }
}
