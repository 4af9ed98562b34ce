/**
 * What a driver does for its core, for all nodes of a simulated group: tells it events, does what its Ready asks for,
 * in turns, over disks that take their time.
 */
import type { Random } from "../../../src/lib/random.ts";
import { LogIndex, type NodeId, type Term } from "../../../src/lib/types.ts";
import type { Raft } from "../../../src/raft/core.ts";
import type {
  Message,
  PersistWrite,
  RaftEvent,
  Ready,
  SnapshotMeta,
} from "../../../src/raft/types.ts";
import { checkProtects } from "./candidacy.ts";
import type { Checks } from "./checks.ts";
import type { Events } from "./events.ts";
import type { Network } from "./network.ts";
import type { SimulatedNode } from "./node.ts";
import type { ClusterOptions } from "./options.ts";
import { configurationText, messageText, type Trace } from "./trace.ts";

/** How long a snapshot is on its way, in ms. */
const transferMs = 1_500;

/** What the nodes share. */
export interface Surroundings {
  readonly events: Events;
  readonly network: Network;
  readonly checks: Checks;
  readonly trace: Trace;
  readonly options: ClusterOptions;
  readonly node: (id: string) => SimulatedNode;
}

export class Drivers {
  readonly #world: Surroundings;
  readonly #transfers: Random;

  constructor(world: Surroundings, transfers: Random) {
    this.#world = world;
    this.#transfers = transfers;
  }

  step(node: SimulatedNode, event: RaftEvent): void {
    if (node.raft === undefined) return;
    if (node.isPaused) {
      const { life } = node;
      node.backlog.push(() => {
        if (node.life === life) this.step(node, event);
      });
      return;
    }
    const { role } = node.raft;
    const isHeld = event.kind === "snapshotStaged" && holds(node.raft, event.snapshot);
    const now = node.local(this.#world.events.now);
    node.raft.step(event, now);
    if (isHeld && node.raft.base.index === event.snapshot.index)
      throw new Error(`R11: ${node.id} discards a log that has entry ${event.snapshot.index}`);
    checkProtects(node, event, role, { now, ...this.#world.options.timings });
    this.told(node);
  }

  /** Something was told to a core: it is checked, and what it wants is done now or in its next turn. */
  told(node: SimulatedNode): void {
    this.#world.checks.observe(node);
    if (!this.#world.options.hasTurns) {
      this.#turn(node);
      return;
    }
    if (node.hasTurn) return;
    node.hasTurn = true;
    const { life } = node;
    this.#world.events.after(0, () => {
      if (node.life !== life) return;
      node.hasTurn = false;
      // A process that stands still is cut off between two turns.
      if (node.isPaused) node.backlog.push(() => this.told(node));
      else this.#turn(node);
    });
  }

  #turn(node: SimulatedNode): void {
    const { raft } = node;
    if (raft === undefined) return;
    const ready = raft.takeReady(!this.#world.options.oneWriteAtATime || node.writing.length === 0);
    this.#world.checks.observe(node);
    this.#checkWindows(raft);
    if (ready.role !== undefined)
      this.#world.trace.add(
        this.#world.events.now,
        `${node.id} is ${ready.role.kind} of term ${ready.role.term}`,
      );
    if (ready.configuration !== undefined) {
      const { index, configuration } = ready.configuration;
      this.#world.trace.add(
        this.#world.events.now,
        `${node.id} goes by ${index}: ${configurationText(configuration)}`,
      );
    }
    if (ready.healed) {
      this.#world.checks.healed(node);
      node.lost = [];
      node.keptIndex = undefined;
      this.#world.trace.add(this.#world.events.now, `${node.id} is whole again`);
    }
    if (ready.fetch !== undefined) this.#fetch(node, ready.fetch);
    this.#persist(node, ready);
    for (const { message, afterWrite } of ready.messages) {
      if (afterWrite > node.durableWrite) node.held.push({ afterWrite, message });
      else this.#send(node, message);
    }
    this.#world.checks.answered(node.id, ready);
    for (const { id, index } of ready.reads) {
      node.reads.set(id, index);
      node.asked.delete(id);
    }
    this.#apply(node, ready.applyTo);
    this.arm(node);
  }

  #checkWindows(raft: Raft): void {
    for (const [peer, { inflight }] of raft.peers)
      if (inflight > this.#world.options.limits.inflightMessages)
        throw new Error(`${inflight} appends are in flight to ${peer}`);
  }

  arm(node: SimulatedNode): void {
    const { raft, life } = node;
    if (raft === undefined) return;
    const due = Math.max(this.#world.events.now, node.global(raft.deadline));
    if (due === Infinity) return;
    if (node.armed !== undefined && node.armed <= due) return;
    node.armed = due;
    this.#world.events.after(due - this.#world.events.now, () => {
      if (node.life !== life || node.armed !== due) return;
      node.armed = undefined;
      if (raft.deadline <= node.local(this.#world.events.now) || node.isPaused)
        this.step(node, { kind: "tick" });
      else this.arm(node);
    });
  }

  #persist(node: SimulatedNode, ready: Ready): void {
    const { persist } = ready;
    if (persist === undefined) return;
    this.#world.checks.write(node, persist);
    node.writing.push(persist);
    if (persist.install !== undefined)
      this.#world.trace.add(this.#world.events.now, `${node.id} installs ${persist.install.index}`);
    const { life } = node;
    // Disks serve in order: never before the writes that came first.
    this.#world.events.after(this.#world.network.writeMs(node.id), () => {
      if (node.life === life) this.#written(node, persist.write);
    });
  }

  #written(node: SimulatedNode, write: number): void {
    if (node.durableWrite >= write) return;
    for (let next = node.writing[0]; next !== undefined && next.write <= write;) {
      this.reached(node, next);
      node.writing.shift();
      next = node.writing[0];
    }
    const done = (): void => {
      node.durableWrite = Math.max(node.durableWrite, write);
      const free = node.held.filter(({ afterWrite }) => afterWrite <= node.durableWrite);
      node.held = node.held.filter(({ afterWrite }) => afterWrite > node.durableWrite);
      node.raft?.step(
        { kind: "persisted", write: node.durableWrite },
        node.local(this.#world.events.now),
      );
      for (const { message } of free) this.#send(node, message);
      this.told(node);
    };
    const { life } = node;
    if (!node.isPaused) done();
    else
      node.backlog.push(() => {
        if (node.life === life) done();
      });
  }

  reached(node: SimulatedNode, write: PersistWrite): void {
    this.#world.checks.reached(node, write);
    node.disk.apply(write);
    if (write.install !== undefined) node.applied = write.install.index;
  }

  #send(from: SimulatedNode, message: Message): void {
    this.#world.checks.sent(from, message);
    const to = this.#world.node(message.to);
    const lives = [from.life, to.life];
    this.#world.trace.add(this.#world.events.now, messageText(message));
    for (const delay of this.#world.network.delays(message))
      this.#world.events.after(delay, () => {
        if (this.#world.options.hasConnections && (from.life !== lives[0] || to.life !== lives[1]))
          return;
        from.arrived(message);
        this.step(to, { kind: "message", message });
      });
  }

  /** The bytes of a snapshot are on their way for a while; they may break off, or be newer than was asked for. */
  #fetch(node: SimulatedNode, { from, index }: { from: NodeId; index: LogIndex }): void {
    if (node.fetching > this.#world.events.now) return;
    const ms = this.#transfers.between(0, transferMs);
    node.fetching = this.#world.events.now + ms;
    const source = this.#world.node(from);
    const early = this.#transfers.chance(1, 2) ? snapshotOf(source) : undefined;
    const breaks = this.#transfers.chance(1, 5);
    const lives = [node.life, source.life];
    this.#world.trace.add(
      this.#world.events.now,
      `${node.id} fetches ${index} or later from ${from}`,
    );
    const deliver = (again: boolean): void => {
      if (node.life !== lives[0] || source.life !== lives[1] || breaks) return;
      if (this.#world.network.isCut(from, node.id)) return;
      const snapshot = (again ? undefined : early) ?? snapshotOf(source);
      if (snapshot === undefined || snapshot.index < index) return;
      this.#world.checks.truth.compareSnapshot(from, snapshot);
      this.#world.trace.add(
        this.#world.events.now,
        `${node.id} has the snapshot of ${snapshot.index}`,
      );
      this.step(node, { kind: "snapshotStaged", snapshot });
      // A late offer had it fetched once more, though the log has gone on meanwhile.
      if (!again && this.#transfers.chance(1, 3))
        this.#world.events.after(this.#transfers.between(0, transferMs), () => deliver(true));
    };
    this.#world.events.after(ms, () => deliver(false));
  }

  /** At once, or in the applier's own time. */
  #apply(node: SimulatedNode, to: number): void {
    if (to <= node.applied) return;
    const { applyMs } = this.#world.options;
    const { life } = node;
    if (applyMs === 0) this.#applyTo(node, to);
    else
      this.#world.events.after(this.#transfers.between(0, applyMs), () => {
        if (node.life === life) this.#applyTo(node, to);
      });
  }

  #applyTo(node: SimulatedNode, to: number): void {
    const { raft, disk } = node;
    // At rest while a snapshot takes the place of it all, and after it.
    if (raft === undefined || raft.base.index !== disk.base.index) return;
    for (let index = node.applied + 1; index <= to; index += 1) {
      const [entry] = raft.entries(LogIndex(index), 0);
      if (entry === undefined || entry.index !== index)
        throw new Error(`${node.id} lacks ${index}`);
      this.#world.checks.applied(node, entry);
      node.applied = index;
    }
  }
}

/** §7: what follows such a snapshot in the log is to be kept. */
function holds(raft: Raft, { index, term }: SnapshotMeta): boolean {
  return index > raft.base.index && raft.entries(index, 0)[0]?.term === term;
}

/** The state of a node as others may fetch it. */
function snapshotOf({ raft, applied, disk }: SimulatedNode): SnapshotMeta | undefined {
  const term: Term | undefined = disk.term(applied);
  if (raft === undefined || term === undefined || applied < raft.base.index) return undefined;
  const index = LogIndex(applied);
  return { index, term, configuration: raft.configurationAsOf(index).configuration };
}
