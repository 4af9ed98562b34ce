/**
 * A whole Raft group in one thread and virtual time: cores joined by a network that delays, loses, doubles and cuts,
 * over disks that forget what was not synced, on clocks that run at their own pace. Everything is drawn from one seed.
 * After each event the rules are checked (simulation/checks.ts), so a test only has to stir.
 */
import { Random } from "../../src/lib/random.ts";
import { LogIndex, NodeId } from "../../src/lib/types.ts";
import { Raft } from "../../src/raft/core.ts";
import type { ConfigurationRequest, Steered } from "../../src/raft/options.ts";
import { defaultTimings } from "../../src/raft/types.ts";
import { Checks } from "./simulation/checks.ts";
import { Drivers } from "./simulation/drivers.ts";
import { Events } from "./simulation/events.ts";
import { Network } from "./simulation/network.ts";
import { SimulatedNode } from "./simulation/node.ts";
import { type ClusterOptions, tightLimits } from "./simulation/options.ts";
import { configurationText, Trace } from "./simulation/trace.ts";

export class Cluster {
  readonly nodes = new Map<string, SimulatedNode>();
  readonly checks: Checks;
  readonly network: Network;
  readonly trace = new Trace();
  readonly options: ClusterOptions;
  readonly #events = new Events();
  /** Streams of their own, so that a draw in one place does not shift the others. */
  readonly #starts: Random;
  readonly #disks: Random;
  readonly #drivers: Drivers;
  #reads = 0;

  constructor(size: number, seed: number, options: Partial<ClusterOptions> = {}) {
    const random = new Random(seed);
    this.#starts = random.fork();
    this.#disks = random.fork();
    const transfers = random.fork();
    this.network = new Network(random.fork());
    this.options = {
      spares: 0,
      timings: defaultTimings,
      limits: tightLimits,
      oneWriteAtATime: false,
      hasTurns: false,
      applyMs: 0,
      driftPerMille: 0,
      hasConnections: true,
      ...options,
    };
    const ids = Array.from({ length: size + this.options.spares }, (_, i) => NodeId(`n${i + 1}`));
    const founders = ids.slice(0, size);
    for (const id of ids)
      this.nodes.set(
        id,
        new SimulatedNode(id, founders, {
          offset: random.between(0, 1_000_000),
          // The slowest or the fastest that there may be: what lies between asks less of anybody.
          perMille: 1_000 + (random.pick([0, 1, 1]) ?? 0) * this.options.driftPerMille,
        }),
      );
    this.checks = new Checks(this.nodes, founders);
    const { network, checks, trace, options: made } = this;
    this.#drivers = new Drivers(
      { events: this.#events, network, checks, trace, options: made, node: (id) => this.node(id) },
      transfers,
    );
    for (const id of ids) this.start(id);
  }

  get now(): number {
    return this.#events.now;
  }

  get ids(): string[] {
    return [...this.nodes.keys()];
  }

  /** How many entries are committed. */
  get committed(): number {
    return this.checks.truth.length;
  }

  node(id: string): SimulatedNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  raft(id: string): Raft {
    const { raft } = this.node(id);
    if (raft === undefined) throw new Error(`${id} is down`);
    return raft;
  }

  until(condition: () => boolean, ms = 20_000): boolean {
    return this.#events.until(condition, ms);
  }

  run(ms: number): void {
    this.#events.run(ms);
  }

  /** The leader of the newest term, if any node takes itself for one. */
  leader(): string | undefined {
    let found: SimulatedNode | undefined;
    for (const node of this.nodes.values())
      if (node.raft?.role.kind === "leader" && node.raft.role.term > (found?.raft?.role.term ?? 0))
        found = node;
    return found?.id;
  }

  /** All that take themselves for the leader. */
  leaders(): string[] {
    return this.ids.filter((id) => this.node(id).raft?.role.kind === "leader");
  }

  start(id: string, damaged = false): void {
    const node = this.node(id);
    const { disk } = node;
    const lastTerm = disk.term(disk.lastIndex);
    if (lastTerm === undefined) throw new Error("a disk knows its last term");
    node.raft = new Raft(
      {
        id: node.id,
        configurations: disk.configurations(),
        timings: this.options.timings,
        limits: this.options.limits,
        seed: this.#starts.next(),
        now: node.local(this.now),
        hardState: disk.hardState,
        base: disk.base,
        lastIndex: disk.lastIndex,
        lastTerm,
        appliedIndex: LogIndex(Math.min(disk.applied, disk.lastIndex)),
        damaged: damaged || node.lost.length > 0,
      },
      { log: { read: (from, to, maxBytes) => disk.read(from, to, maxBytes) } },
    );
    node.life += 1;
    node.applied = Math.min(disk.applied, disk.lastIndex);
    node.durableWrite = 0;
    node.writing = [];
    node.held = [];
    node.backlog = [];
    node.armed = undefined;
    node.hasTurn = false;
    node.fetching = 0;
    node.isPaused = false;
    node.isFull = false;
    node.heardAt = this.options.timings.leaseReads ? node.local(this.now) : undefined;
    node.asked.clear();
    this.trace.add(this.now, `${id} starts${damaged ? " damaged" : ""} ${disk.describe()}`);
    this.checks.observe(node);
    this.#drivers.arm(node);
  }

  /** The process dies; of the writes under way a random prefix reached the disk, an installation perhaps alone. */
  crash(id: string): void {
    const node = this.node(id);
    node.raft = undefined;
    node.life += 1;
    const done = this.#disks.between(0, node.writing.length);
    for (const write of node.writing.slice(0, done)) this.#drivers.reached(node, write);
    const torn = node.writing[done];
    if (torn?.install !== undefined && this.#disks.chance(1, 2)) {
      node.disk.install(torn.install);
      node.applied = torn.install.index;
    }
    // Of what was applied, the state's own disk holds some.
    node.disk.applied = this.#disks.between(
      Math.max(node.disk.applied, node.disk.base.index),
      Math.max(node.applied, node.disk.base.index),
    );
    node.writing = [];
    node.held = [];
    node.backlog = [];
    this.trace.add(this.now, `${id} dies, ${done} writes done, disk ${node.disk.describe()}`);
  }

  /** Comes back with less than it had acknowledged: a suffix of the log, perhaps the vote as well. */
  damage(id: string, keep: number, forgetsVote: boolean): void {
    const node = this.node(id);
    const { disk } = node;
    node.keptIndex = Math.min(node.keptIndex ?? keep, keep);
    node.lost = [...node.lost, ...disk.entries.slice(Math.max(0, keep - disk.base.index))];
    disk.entries.length = Math.min(disk.entries.length, Math.max(0, keep - disk.base.index));
    if (forgetsVote) {
      this.checks.forgot(id, disk.hardState.term);
      disk.hardState = { term: disk.hardState.term, vote: undefined };
    }
    disk.applied = Math.min(disk.applied, disk.lastIndex);
    this.start(id, true);
  }

  /** The process stands still: its messages, timers and disk answers wait. */
  pause(id: string): void {
    this.node(id).isPaused = true;
    this.trace.add(this.now, `${id} stands still`);
  }

  /** @param isAsked whether a read is the first that it hears of, before what waited for it */
  resume(id: string, isAsked = false): void {
    const node = this.node(id);
    node.isPaused = false;
    if (isAsked) this.read(id);
    this.trace.add(this.now, `${id} goes on, ${node.backlog.length} events later`);
    for (const run of node.backlog.splice(0)) run();
  }

  isolate(id: string): void {
    this.network.isolate(id, this.nodes.keys());
  }

  heal(): void {
    this.network.cut.clear();
  }

  /** One line per node, for the message of a failed test. */
  describe(): string {
    return [...this.nodes.values()]
      .map(({ id, raft, applied, disk, isPaused, isFull }) =>
        raft === undefined
          ? `${id} down ${disk.describe()}`
          : `${id}${isPaused ? " still" : ""}${isFull ? " full" : ""}${raft.isDamaged ? " damaged" : ""} ` +
            `${raft.role.kind} of term ${raft.role.term} leader ${raft.role.leader ?? "-"} ` +
            `log (${raft.base.index}, ${raft.lastIndex}] commit ${raft.commitIndex} applied ${applied} ` +
            `disk ${disk.describe()} [${configurationText(raft.configuration)}]`,
      )
      .join("\n");
  }

  propose(id: string, text: string): boolean {
    const data = new TextEncoder().encode(text);
    const node = this.node(id);
    const { raft } = node;
    if (raft === undefined || node.isPaused) return false;
    const tail = uncommittedBytes(raft);
    const result = raft.propose([data], node.local(this.now));
    if (result.kind === "accepted" && tail >= this.options.limits.uncommittedBytes)
      throw new Error(`${id} took a proposal over ${tail} uncommitted bytes`);
    if (result.kind !== "accepted")
      this.trace.add(this.now, `${id} takes no proposal: ${result.kind}`);
    this.#drivers.told(node);
    return result.kind === "accepted";
  }

  /** Asks for a linearizable read; returns its id. */
  read(id: string): number {
    const node = this.node(id);
    const read = (this.#reads += 1);
    if (node.raft === undefined || node.isPaused) return read;
    this.checks.asked(read);
    node.asked.add(read);
    node.raft.read(read, node.local(this.now));
    this.#drivers.told(node);
    return read;
  }

  changeConfiguration(id: string, request: ConfigurationRequest): Steered | undefined {
    const changes = request.changes.map(({ kind, node }) => `${kind} ${node}`).join(", ");
    return this.#steer(id, `changes ${changes} ${request.transition}`, (raft, now) =>
      raft.changeConfiguration(request, now),
    );
  }

  leaveJoint(id: string): Steered | undefined {
    return this.#steer(id, "leaves joint", (raft, now) => raft.leaveJoint(now));
  }

  handOver(id: string, to: string | undefined): Steered | undefined {
    return this.#steer(id, `hands over to ${to ?? "the best"}`, (raft, now) =>
      raft.handOver(to === undefined ? undefined : NodeId(to), now),
    );
  }

  #steer(
    id: string,
    what: string,
    action: (raft: Raft, now: number) => Steered,
  ): Steered | undefined {
    const node = this.node(id);
    if (node.raft === undefined || node.isPaused) return undefined;
    const steered = action(node.raft, node.local(this.now));
    const why = steered.kind === "refused" ? `: ${steered.why}` : "";
    this.trace.add(this.now, `${id} ${what}: ${steered.kind}${why}`);
    this.#drivers.told(node);
    return steered;
  }

  /** Everybody is told that a process is dead, rightly or not. */
  died(peer: string): void {
    for (const id of this.ids) if (id !== peer) this.hint(id, peer);
  }

  hint(id: string, peer: string): void {
    this.#drivers.step(this.node(id), { kind: "unreachable", peer: NodeId(peer) });
    this.#drivers.step(this.node(id), { kind: "peerDied", peer: NodeId(peer) });
  }

  unreachable(id: string, peer: string): void {
    this.#drivers.step(this.node(id), { kind: "unreachable", peer: NodeId(peer) });
  }

  setFull(id: string, full: boolean): void {
    const node = this.node(id);
    if (node.isPaused) return;
    this.trace.add(this.now, `${id}'s disk is ${full ? "full" : "no longer full"}`);
    node.isFull = full;
    this.#drivers.step(node, { kind: "storage", full });
  }

  /** Forgets all but `keep` applied entries, as the node does after its state is durable. */
  compact(id: string, keep: number): void {
    const node = this.node(id);
    const { raft, disk } = node;
    const index = LogIndex(node.applied - keep);
    if (raft === undefined || node.isPaused || index <= disk.base.index) return;
    // A snapshot is about to take the place of it all.
    if (raft.base.index !== disk.base.index) return;
    disk.applied = node.applied;
    const base = disk.compact(index, raft.configurationAsOf(index));
    this.trace.add(this.now, `${id} compacts to ${base.index}/${base.term}`);
    this.#drivers.step(node, { kind: "compacted", base });
  }
}

function uncommittedBytes(raft: Raft): number {
  let bytes = 0;
  for (let from = LogIndex(raft.commitIndex + 1); from <= raft.lastIndex;) {
    const entries = raft.entries(from, 10_000);
    if (entries.length === 0) throw new Error(`the entries after ${from} are nowhere`);
    for (const { data } of entries) bytes += data.length + 32;
    from = LogIndex(from + entries.length);
  }
  return bytes;
}
