/**
 * How any node gets a decision or a linearizable read: from itself when it leads, else from the leader, again and
 * again until the deadline. A command repeated under its idempotency key is carried out once (machine/keys.ts), so a
 * lost answer costs a retry and nothing else.
 */
import { asIDunnoError, fromWire, IDunnoError, type ErrorCode } from "../lib/errors.ts";
import type { Outcome, OutcomeValue } from "../lib/outcome.ts";
import type { Runtime } from "../lib/runtime.ts";
import { LogIndex, LogTime, NodeId as toNodeId, type NodeId } from "../lib/types.ts";
import { decodeCommand, encodeCommand } from "../machine/codec.ts";
import type { Operation } from "../machine/commands.ts";
import type { RoleView } from "../raft/types.ts";
import type { Applier } from "./applier.ts";
import { parseIndex, parseLeader, parseOutcome } from "./control.ts";
import { abortable, pause, sharedAbort } from "./deadline.ts";
import type { LogClock } from "./log-clock.ts";
import type { Observer } from "./metrics.ts";
import type { Peers } from "./ports.ts";
import type { RaftDriver } from "./raft-driver.ts";

/** Pause before asking again when the leader is known but refused, in ms: about two round trips. */
const retryPauseMs = 10;
/** A member of the group that hears no leader for so long asks who leads, in ms: longer than an election takes. */
const silenceMs = 1_500;
/** Between two rounds of asking who leads, in ms. */
const askAgainMs = 100;
/** A leader that has not answered for this long is asked again, or its successor, in ms. */
const tryMs = 2_000;

/** Failures after which the same command may be asked for again: nothing was decided, or the key guards it. */
const retryable: ReadonlySet<ErrorCode> = new Set([
  "NOT_LEADER",
  "UNREACHABLE",
  "CLOSED",
  "BUSY",
  "TIMED_OUT",
  "NO_SPACE",
]);

export interface CoordinationPorts {
  readonly self: NodeId;
  readonly driver: RaftDriver;
  readonly applier: Applier;
  readonly logClock: LogClock;
  readonly runtime: Runtime;
  readonly peers: Peers;
  /** Whether this node is not in the Raft group, so that no leader speaks to it. */
  readonly isOutsider: () => boolean;
  /** Nodes that may know the leader. */
  readonly others: () => Iterable<NodeId>;
  readonly observer: Observer;
}

export class Coordination {
  readonly #ports: CoordinationPorts;
  /** Aborted and replaced whenever the leader changes: what was asked of the old one is asked again. */
  #leaderChange = sharedAbort();
  #leader: NodeId | undefined;
  #asking: Promise<NodeId | undefined> | undefined;
  #lastLeader: NodeId | undefined;

  constructor(ports: CoordinationPorts) {
    this.#ports = ports;
  }

  get leader(): NodeId | undefined {
    return this.#leader;
  }

  onRole(role: RoleView): void {
    if (role.leader === this.#leader) return;
    this.#leader = role.leader;
    if (role.leader !== undefined && role.leader !== this.#lastLeader) {
      this.#lastLeader = role.leader;
      this.#ports.observer.leaderChanged();
    }
    const changed = this.#leaderChange;
    this.#leaderChange = sharedAbort();
    changed.abort();
  }

  /** A fresh idempotency key, stamped with log time. */
  mintKey(): string {
    return `${this.#ports.logClock.now()}-${this.#ports.runtime.randomHex(8)}`;
  }

  /**
   * Has an operation decided. Without a key it may be decided twice when an answer is lost: only for operations that
   * do not mind.
   * @throws IDunnoError what the machine refused it with; NO_LEADER when nobody could decide before the signal aborts
   */
  async decide(
    operation: Operation,
    options: { readonly key: string | undefined; readonly signal: AbortSignal },
  ): Promise<OutcomeValue> {
    const outcome = await this.#retry(
      options.signal,
      async () => this.proposeHere(operation, options.key),
      async (leader, signal) => {
        const body = encodeCommand({ v: 1, at: LogTime(0), key: options.key, operation });
        const reply = await this.#ports.peers.request(
          leader,
          "control",
          { kind: "propose" },
          { body, timeoutMs: tryMs, signal },
        );
        return parseOutcome(reply.head) as Outcome;
      },
    );
    if (outcome.kind === "refused") throw fromWire(outcome);
    return outcome.value;
  }

  /** Brings this node's state up to everything acknowledged before the call. */
  async linearize(signal: AbortSignal): Promise<void> {
    const index = await this.#retry(
      signal,
      async () => this.#ports.driver.readIndex(),
      async (leader, trySignal) => {
        const reply = await this.#ports.peers.request(
          leader,
          "control",
          { kind: "readIndex" },
          { timeoutMs: tryMs, signal: trySignal },
        );
        return LogIndex(parseIndex(reply.head).index);
      },
    );
    await this.#ports.applier.reached(index, signal);
  }

  /**
   * Has the leadership handed over, to the voter that is furthest unless one is named. Returns who leads then.
   * @throws IDunnoError CONFLICT when nobody could take it; NO_LEADER
   */
  async handOver(to: NodeId | undefined, signal: AbortSignal): Promise<NodeId> {
    let asked: NodeId | undefined;
    const isDone = (): boolean =>
      this.#leader !== undefined &&
      (to === undefined ? asked !== undefined && this.#leader !== asked : this.#leader === to);
    await this.#retry(
      signal,
      async () => {
        if (isDone()) return;
        asked ??= this.#ports.self;
        await this.#ports.driver.handOver(to);
      },
      async (leader, trySignal) => {
        if (isDone()) return;
        asked ??= leader;
        const head = to === undefined ? { kind: "handOver" } : { kind: "handOver", to };
        const options = { timeoutMs: tryMs, signal: trySignal };
        await this.#ports.peers.request(leader, "control", head, options);
      },
    );
    while (!isDone() && !signal.aborted) await untilAborted(this.#leaderChange.signal, signal);
    if (this.#leader === undefined || signal.aborted)
      throw new IDunnoError("TIMED_OUT", { what: "the handover", afterMs: tryMs });
    return this.#leader;
  }

  /** Proposes at this node, which must lead. Also serves the requests of others. */
  async proposeHere(operation: Operation, key: string | undefined): Promise<Outcome> {
    const { logClock, driver, observer, runtime } = this.#ports;
    const command = encodeCommand({ v: 1, at: logClock.now(), key, operation });
    const startMs = runtime.now();
    observer.proposed();
    try {
      const outcome = await driver.propose(command);
      observer.committed((runtime.now() - startMs) / 1_000);
      return outcome;
    } catch (error) {
      observer.proposalFailed(asIDunnoError(error).code);
      throw error;
    }
  }

  /** A command that another node forwarded: checked, stamped with this leader's time. */
  async proposeForwarded(body: Uint8Array): Promise<Outcome> {
    const { key, operation } = decodeCommand(body);
    return this.proposeHere(operation, key);
  }

  /**
   * Who leads, when no leader speaks to this node: in the group one will soon, outside of it the others know.
   * undefined: nobody does yet; something changed, or it is time to ask again.
   */
  async #hearsay(changed: AbortSignal, signal: AbortSignal): Promise<NodeId | undefined> {
    if (!this.#ports.isOutsider()) {
      // A leader that is there speaks soon, unless it cannot reach this node: it may have another address now.
      await Promise.race([
        untilAborted(changed, signal),
        pause(this.#ports.runtime, silenceMs, signal),
      ]);
      if (changed.aborted || signal.aborted) return undefined;
    }
    this.#asking ??= this.#ask(changed).finally(() => (this.#asking = undefined));
    return Promise.race([this.#asking, untilAborted(signal).then(() => undefined)]);
  }

  /** One round for all who wait: thousands of requests may. */
  async #ask(changed: AbortSignal): Promise<NodeId | undefined> {
    const { others, peers, runtime } = this.#ports;
    for (const peer of others()) {
      if (changed.aborted) return undefined;
      try {
        const options = { timeoutMs: tryMs, signal: changed };
        const reply = await peers.request(peer, "control", { kind: "whoLeads" }, options);
        const { leader } = parseLeader(reply.head);
        if (leader !== undefined) return toNodeId(leader);
      } catch (error) {
        // A peer may be down; another one is asked.
        if (!retryable.has(asIDunnoError(error).code)) throw error;
      }
    }
    await pause(runtime, askAgainMs, changed);
    return undefined;
  }

  async #retry<T>(
    signal: AbortSignal,
    here: () => Promise<T>,
    there: (leader: NodeId, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { runtime } = this.#ports;
    const start = runtime.now();
    while (!signal.aborted) {
      const changed = this.#leaderChange.signal;
      const leader = this.#leader ?? (await this.#hearsay(changed, signal));
      if (leader === undefined) continue;
      // Made when needed: a leader deciding by itself is the hot path, and joining signals is dear.
      const trying = (): AbortSignal => AbortSignal.any([signal, changed]);
      try {
        return await (leader === this.#ports.self
          ? abortable(here(), signal)
          : there(leader, trying()));
      } catch (error) {
        if (signal.aborted) break;
        if (changed.aborted) continue;
        if (!retryable.has(asIDunnoError(error).code)) throw error;
        await pause(runtime, retryPauseMs, trying());
      }
    }
    if (this.#leader === undefined)
      throw new IDunnoError("NO_LEADER", { waitedMs: Math.round(runtime.now() - start) });
    throw signal.reason instanceof Error
      ? signal.reason
      : new IDunnoError("CLOSED", { what: "the request" });
  }
}

/** Resolves when either aborts. */
async function untilAborted(...signals: AbortSignal[]): Promise<void> {
  const any = AbortSignal.any(signals);
  if (any.aborted) return;
  await new Promise<void>((resolve) =>
    any.addEventListener("abort", () => resolve(), { once: true }),
  );
}
