/**
 * Drives the consensus core: turns of the event loop in, one synced write at a time out. A turn gathers every
 * proposal and message that came, takes one {@link Ready}, starts the write if the disk is free, sends what may go,
 * and holds back what waits for the disk. While a write runs, the next one gathers: so many proposals share a sync.
 */
import { IDunnoError } from "../lib/errors.ts";
import type { Outcome } from "../lib/outcome.ts";
import type { Runtime, Timer } from "../lib/runtime.ts";
import type { LogIndex, NodeId } from "../lib/types.ts";
import type { Raft } from "../raft/core.ts";
import type { Steered } from "../raft/options.ts";
import type {
  ConfigurationAt,
  HardState,
  LogBase,
  Message,
  PersistWrite,
  RaftEvent,
  Ready,
  RoleView,
  SnapshotMeta,
} from "../raft/types.ts";
import type { Applier } from "./applier.ts";
import { Proposals } from "./proposals.ts";
import type { Observer } from "./metrics.ts";
import type { LogStore } from "./stores/log-store.ts";

export const driverLimits = {
  /** Answers waiting for the disk: heartbeats ask for one ten times a second. */
  held: 10_000,
} as const;

export interface DriverPorts {
  readonly raft: Raft;
  readonly store: LogStore;
  readonly applier: Applier;
  readonly runtime: Runtime;
  /** Sends a message; false when it could not even be queued. */
  readonly send: (message: Message) => boolean;
  readonly observer: Pick<Observer, "logWritten">;
  readonly onRole: (role: RoleView) => void;
  /** Another configuration is in force. */
  readonly onConfiguration: (configuration: ConfigurationAt) => void;
  /** Fetch a snapshot of `index` or later from a peer, unless one is being fetched; then {@link RaftDriver.snapshotStaged}. */
  readonly fetchSnapshot: (from: NodeId, index: LogIndex) => void;
  /** Puts the staged snapshot in the place of the state and of the log. The applier is at rest. */
  readonly installSnapshot: (
    snapshot: SnapshotMeta,
    hardState: HardState | undefined,
  ) => Promise<void>;
  /** The node cannot go on: its disk failed or an invariant broke. */
  readonly onFatal: (error: unknown) => void;
}

/** How long a planned stop waits for another leader, in ms: a handover takes one round trip and an election. */
const handOverMs = 1_000;

export class RaftDriver {
  readonly #ports: DriverPorts;
  readonly #proposals: Proposals;
  readonly #held: { readonly afterWrite: number; readonly message: Message }[] = [];
  readonly #reads = new Map<number, (index: LogIndex | undefined) => void>();
  #nextRead = 1;
  #durableWrite = 0;
  #writing = false;
  #scheduled = false;
  #timer: { readonly handle: Timer; readonly due: number } | undefined;
  #stopped = false;
  readonly #roleChanged: (() => void)[] = [];
  #idle: (() => void) | undefined;

  constructor(ports: DriverPorts) {
    this.#ports = ports;
    this.#proposals = new Proposals(ports.raft, ports.applier);
  }

  start(): void {
    this.#schedule();
  }

  get role(): RoleView {
    return this.#ports.raft.role;
  }

  /** Whether this node leads and its state holds all that was ever acknowledged. */
  get isReadyLeader(): boolean {
    const { raft, applier } = this.#ports;
    return raft.noopIndex !== undefined && applier.appliedIndex >= raft.noopIndex;
  }

  /**
   * Puts a command into the log and waits until it is applied here.
   * @throws IDunnoError NOT_LEADER when this node does not lead, or ceased to while it waited: then the command may
   *   still come to be committed, so ask again under the same key; BUSY, TOO_LARGE, CLOSED
   */
  async propose(data: Uint8Array): Promise<Outcome> {
    if (this.#stopped) throw new IDunnoError("CLOSED", { what: "the node" });
    const outcome = this.#proposals.add(data);
    this.#schedule();
    return outcome;
  }

  /**
   * An index that, once applied, makes a local read linearizable.
   * @throws IDunnoError NOT_LEADER
   */
  async readIndex(): Promise<LogIndex> {
    if (this.#stopped) throw new IDunnoError("CLOSED", { what: "the node" });
    const id = this.#nextRead;
    this.#nextRead += 1;
    const index = await new Promise<LogIndex | undefined>((resolve) => {
      this.#reads.set(id, resolve);
      this.#ports.raft.read(id, this.#ports.runtime.now());
      this.#schedule();
    });
    if (index === undefined)
      throw new IDunnoError("NOT_LEADER", { leader: this.#ports.raft.role.leader });
    return index;
  }

  receive(message: Message): void {
    this.#step({ kind: "message", message });
  }

  unreachable(peer: NodeId): void {
    this.#step({ kind: "unreachable", peer });
  }

  /** A peer's process is dead, as far as its port tells. */
  peerDied(peer: NodeId): void {
    this.#step({ kind: "unreachable", peer });
    this.#step({ kind: "peerDied", peer });
  }

  /** The log store has forgotten everything up to `base`. */
  compacted(base: LogBase): void {
    this.#step({ kind: "compacted", base });
  }

  /** Whether the disk has no room for entries. */
  storageFull(full: boolean): void {
    this.#step({ kind: "storage", full });
  }

  /**
   * A snapshot that was wanted is complete. Nothing is applied while the core decides and the state is replaced.
   * Returns false when it is not wanted any more: the log went on by itself.
   */
  async snapshotStaged(snapshot: SnapshotMeta): Promise<boolean> {
    const { applier, raft } = this.#ports;
    await applier.pause();
    const baseBefore = raft.base.index;
    this.#step({ kind: "snapshotStaged", snapshot });
    const isWanted = raft.base.index === snapshot.index && baseBefore !== snapshot.index;
    // Else the write that installs it lets the applier go on.
    if (!isWanted) applier.resume();
    return isWanted;
  }

  /** Asks the core for something that only a leader can do. */
  steer(action: (raft: Raft, now: number) => Steered): Steered {
    const steered = action(this.#ports.raft, this.#ports.runtime.now());
    this.#schedule();
    return steered;
  }

  /**
   * Hands the leadership over, to the voter that is furthest unless one is named, and waits until it is gone.
   * @throws IDunnoError NOT_LEADER; CONFLICT when there is nobody to take it, or he did not within {@link handOverMs}
   */
  async handOver(to?: NodeId): Promise<void> {
    const steered = this.steer((raft, now) => raft.handOver(to, now));
    if (steered.kind === "notLeader") throw new IDunnoError("NOT_LEADER", steered);
    const what = "the leadership";
    if (steered.kind === "refused") throw new IDunnoError("CONFLICT", { what, why: steered.why });
    const { term } = steered;
    const end = this.#ports.runtime.now() + handOverMs;
    while (!this.#stopped && this.role.kind === "leader" && this.role.term === term) {
      const leftMs = end - this.#ports.runtime.now();
      if (leftMs <= 0)
        throw new IDunnoError("CONFLICT", {
          what,
          why: "its heir did not take it: name another voter, or try again",
        });
      await new Promise<void>((resolve) => {
        const timer = this.#ports.runtime.after(leftMs, resolve);
        this.#roleChanged.push(() => {
          timer.cancel();
          resolve();
        });
      });
    }
  }

  #step(event: RaftEvent): void {
    if (this.#stopped) return;
    this.#guard(() => this.#ports.raft.step(event, this.#ports.runtime.now()));
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#ports.runtime.soon(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#guard(() => this.#turn());
    });
  }

  /** A broken invariant in the core ends the node: it must not answer from a state that it cannot trust. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#ports.onFatal(error);
      this.#halt();
    }
  }

  #turn(): void {
    this.#proposals.flush(this.#ports.runtime.now());
    this.#perform(this.#ports.raft.takeReady(!this.#writing));
    this.#arm();
  }

  #perform(ready: Ready): void {
    const { applier, onRole, onConfiguration, fetchSnapshot } = this.#ports;
    if (ready.role !== undefined) {
      if (ready.role.kind !== "leader") applier.abandon(ready.role.leader);
      onRole(ready.role);
      for (const changed of this.#roleChanged.splice(0)) changed();
    }
    if (ready.configuration !== undefined) onConfiguration(ready.configuration);
    if (ready.fetch !== undefined) fetchSnapshot(ready.fetch.from, ready.fetch.index);
    if (ready.persist !== undefined) void this.#write(ready.persist); // failures reach onFatal
    for (const { message, afterWrite } of ready.messages) {
      if (afterWrite <= this.#durableWrite) this.#send(message);
      // A disk that hangs for minutes: what is lost here is asked for again, as if the network had lost it.
      else if (this.#held.length < driverLimits.held) this.#held.push({ message, afterWrite });
    }
    for (const { id, index } of ready.reads) {
      this.#reads.get(id)?.(index);
      this.#reads.delete(id);
    }
    if (ready.healed) void this.#healed(); // failures reach onFatal
    applier.applyTo(ready.applyTo);
  }

  async #write(persist: PersistWrite): Promise<void> {
    const { store, raft, runtime, observer, onFatal } = this.#ports;
    this.#writing = true;
    try {
      if (persist.install !== undefined) await this.#install(persist.install, persist.hardState);
      const startMs = runtime.now();
      await store.write(persist);
      observer.logWritten((runtime.now() - startMs) / 1_000, persist.entries.length);
      this.#writing = false;
      if (this.#stopped) return;
      this.#durableWrite = persist.write;
      raft.step({ kind: "persisted", write: persist.write }, runtime.now());
      while (this.#held[0] !== undefined && this.#held[0].afterWrite <= persist.write) {
        const held = this.#held.shift();
        if (held !== undefined) this.#send(held.message);
      }
      this.#schedule();
    } catch (error) {
      this.#writing = false;
      onFatal(error);
      this.#halt();
    } finally {
      this.#idle?.();
    }
  }

  async #install(snapshot: SnapshotMeta, hardState: HardState | undefined): Promise<void> {
    const { applier, installSnapshot } = this.#ports;
    await installSnapshot(snapshot, hardState);
    applier.replaced(snapshot.index);
  }

  async #healed(): Promise<void> {
    try {
      await this.#ports.store.healed();
    } catch (error) {
      this.#ports.onFatal(error);
    }
  }

  #send(message: Message): void {
    // What could not be sent is lost: the leader probes that peer again.
    if (!this.#ports.send(message) && message.kind === "append")
      this.#ports.raft.step({ kind: "unreachable", peer: message.to }, this.#ports.runtime.now());
  }

  /** Keeps one timer at or before the core's deadline. */
  #arm(): void {
    const due = this.#ports.raft.deadline;
    if (this.#timer !== undefined && this.#timer.due <= due) return;
    this.#timer?.handle.cancel();
    this.#timer = undefined;
    if (due === Number.POSITIVE_INFINITY) return;
    const { raft, runtime } = this.#ports;
    const handle = runtime.after(Math.max(0, due - runtime.now()), () => {
      this.#timer = undefined;
      // After a stall the timer fires before the sockets are read: let them speak first, or a pause of this
      // process would look like the leader's silence.
      runtime.soon(() => {
        if (this.#stopped) return;
        if (raft.deadline <= runtime.now()) this.#step({ kind: "tick" });
        else this.#arm();
      });
    });
    this.#timer = { handle, due };
  }

  #halt(): void {
    this.#stopped = true;
    this.#timer?.handle.cancel();
    const closed = new IDunnoError("CLOSED", { what: "the node" });
    this.#proposals.refuse(closed);
    for (const answer of this.#reads.values()) answer(undefined);
    this.#reads.clear();
    for (const changed of this.#roleChanged.splice(0)) changed();
  }

  /** Stops taking part; returns when the write under way has ended. */
  async stop(): Promise<void> {
    this.#halt();
    while (this.#writing)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
  }
}
