/**
 * The rules of consensus, checked on production nodes: each call of a core and each write of a log store is watched, and
 * judged by the same checks as the simulated groups of test/raft. A shadow of each log, fed by what was reported durable,
 * says what the disk must give back after a crash.
 *
 *  D1 what a log store reported durable is there after any crash, or the node says that it is damaged;
 *  D2 so are term and vote;
 *  D3 states are equal at equal applied index, on every node and in every life;
 *  D4 no more messages are on their way to a peer than the window allows.
 */
import { LogIndex, type NodeId } from "../../../src/lib/types.ts";
import { decodeMessage } from "../../../src/net/raft-codec.ts";
import type { LogStore } from "../../../src/node/stores/log-store.ts";
import type { StateStore } from "../../../src/node/stores/state-store.ts";
import type { Raft } from "../../../src/raft/core.ts";
import type { ConfigurationAt, Entry, PersistWrite, RaftLimits } from "../../../src/raft/types.ts";
import { Checks } from "../../raft/simulation/checks.ts";
import { Disk } from "../../raft/simulation/disk.ts";
import { SimulatedNode } from "../../raft/simulation/node.ts";
import type { RunningNode, SimulatedMachine } from "../machine.ts";

export class ConsensusChecks {
  readonly checks: Checks;
  readonly #shadows = new Map<string, SimulatedNode>();
  /** The write that a disk may or may not have done when its process died. */
  readonly #underWay = new Map<string, PersistWrite>();
  /** Hash of the state after each log index: D3. */
  readonly #hashes: (number | undefined)[] = [];
  readonly #founders: readonly NodeId[];
  readonly #fail: (error: unknown) => void;
  #reads = 0;

  /** @param fail ends the run: what is thrown within a node would be taken for the node's own failure */
  constructor(ids: readonly NodeId[], founders: readonly NodeId[], fail: (error: unknown) => void) {
    this.#founders = founders;
    this.#fail = fail;
    for (const id of ids)
      this.#shadows.set(id, new SimulatedNode(id, founders, { offset: 0, perMille: 1_000 }));
    this.checks = new Checks(this.#shadows, founders);
  }

  shadow(id: string): SimulatedNode {
    const shadow = this.#shadows.get(id);
    if (shadow === undefined) throw new Error(`no shadow of ${id}`);
    return shadow;
  }

  /** Nodes that lost something and are not whole yet. */
  get damaged(): string[] {
    return [...this.#shadows.values()].filter(({ lost }) => lost.length > 0).map(({ id }) => id);
  }

  /** A process is about to run: its disk is judged, and all it does from here on. */
  made({ id, knobs }: SimulatedMachine, { raft, stores, identity }: RunningNode): void {
    const shadow = this.shadow(id);
    const { limits } = knobs;
    shadow.hasJoined = identity.seeds !== undefined;
    this.#judgeDisk(shadow, stores);
    shadow.life += 1;
    shadow.raft = raft;
    shadow.applied = stores.state.appliedIndex;
    this.#watchLog(shadow, raft, stores.logStore);
    this.#watchCore(shadow, raft, limits);
    this.#watchState(shadow, raft, stores.state);
    this.checks.observe(shadow);
  }

  gone(id: string): void {
    this.shadow(id).raft = undefined;
  }

  /** The machine's data was taken away: it is another node from now on. */
  wiped(id: string): void {
    const shadow = this.shadow(id);
    const disk = new Disk(this.#founders);
    Object.assign(shadow.disk, disk);
    shadow.lost = [];
    shadow.applied = 0;
    this.#underWay.delete(id);
  }

  sent({ id }: SimulatedMachine, to: NodeId, payload: unknown): void {
    this.#judge(() => this.checks.sent(this.shadow(id), decodeMessage(id, to, payload)));
  }

  #judge(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#fail(error);
    }
  }

  #judgeDisk(shadow: SimulatedNode, { recovered, logStore, state }: RunningNode["stores"]): void {
    const { id, disk } = shadow;
    const underWay = this.#underWay.get(id);
    this.#underWay.delete(id);
    const isDamaged = recovered.damage.length > 0;
    const kept = (index: number, term: number): boolean =>
      index <= recovered.base.index ||
      (index <= recovered.lastIndex && logStore.positionOf(LogIndex(index)).term === term);
    const missing = disk.entries.filter(({ index, term }) => !kept(index, term));
    // What a write under way replaces may be gone; what was installed stands for all before it.
    const isReplaced = ({ index }: Entry): boolean =>
      underWay?.install !== undefined ||
      (underWay?.truncateFrom !== undefined && index >= underWay.truncateFrom);
    if (!isDamaged) {
      const lost = missing.find((entry) => !isReplaced(entry));
      if (lost !== undefined)
        throw new Error(`D1: ${id} forgot entry ${lost.index}/${lost.term} and does not say so`);
    }
    shadow.lost = isDamaged ? [...shadow.lost, ...missing] : [];
    const { term, vote } = disk.hardState;
    const found = recovered.hardState;
    if (found.term < term || (found.term === term && vote !== undefined && found.vote !== vote)) {
      if (!isDamaged)
        throw new Error(`D2: ${id} forgot term ${term} and its vote for ${vote ?? "nobody"}`);
      this.checks.forgot(id, term);
    }
    const { base, lastIndex } = recovered;
    disk.hardState = found;
    disk.base = { index: base.index, term: base.term };
    disk.entries = [...logStore.read(LogIndex(base.index + 1), lastIndex, Number.MAX_SAFE_INTEGER)];
    disk.applied = state.appliedIndex;
  }

  #watchLog(shadow: SimulatedNode, raft: Raft, logStore: LogStore): void {
    const { life } = shadow;
    const write = logStore.write.bind(logStore);
    logStore.write = async (persist) => {
      await write(persist);
      if (shadow.life !== life) return;
      this.#judge(() => {
        this.checks.reached(shadow, persist);
        shadow.disk.apply(persist);
      });
      this.#underWay.delete(shadow.id);
    };
    const compact = logStore.compact.bind(logStore);
    logStore.compact = async (to, configuration) => {
      const base = await compact(to, configuration);
      if (shadow.life === life && base.index > shadow.disk.base.index && base.index === to) {
        const at: ConfigurationAt = raft.configurationAsOf(base.index);
        shadow.disk.compact(base.index, at);
      }
      return base;
    };
  }

  /** Every call that may change a core is followed by a look at it. */
  #watchCore(shadow: SimulatedNode, raft: Raft, { inflightMessages }: RaftLimits): void {
    const { checks } = this;
    const observe = (): void => this.#judge(() => checks.observe(shadow));
    const reads = new Map<number, number>();
    const step = raft.step.bind(raft);
    raft.step = (event, now) => {
      step(event, now);
      observe();
    };
    const propose = raft.propose.bind(raft);
    raft.propose = (data, now) => {
      const proposed = propose(data, now);
      observe();
      return proposed;
    };
    const read = raft.read.bind(raft);
    raft.read = (id, now) => {
      this.#reads += 1;
      reads.set(id, this.#reads);
      checks.asked(this.#reads);
      read(id, now);
    };
    const change = raft.changeConfiguration.bind(raft);
    raft.changeConfiguration = (request, now) => {
      const steered = change(request, now);
      observe();
      return steered;
    };
    const takeReady = raft.takeReady.bind(raft);
    raft.takeReady = (mayWrite) => {
      const ready = takeReady(mayWrite);
      observe();
      this.#judge(() => checkWindows(shadow.id, raft, inflightMessages));
      if (ready.persist !== undefined) {
        const { persist } = ready;
        this.#judge(() => checks.write(shadow, persist));
        this.#underWay.set(shadow.id, persist);
      }
      if (ready.healed) shadow.lost = [];
      for (const each of ready.reads) {
        const id = reads.get(each.id) ?? 0;
        reads.delete(each.id);
        this.#judge(() => checks.answered(shadow.id, { reads: [{ ...each, id }] }));
      }
      return ready;
    };
  }

  #watchState(shadow: SimulatedNode, raft: Raft, state: StateStore): void {
    const seen = (index: number): void => {
      const [entry] = raft.entries(LogIndex(index), 0);
      if (entry?.index !== index) throw new Error(`R6: ${shadow.id} applies ${index}, not there`);
      this.checks.applied(shadow, entry);
      shadow.applied = index;
      this.#compareState(shadow.id, state);
    };
    const commit = state.commit.bind(state);
    state.commit = (index, mutations) => {
      commit(index, mutations);
      this.#judge(() => seen(index));
    };
    const adopt = state.adopt.bind(state);
    state.adopt = (database) => {
      const close = adopt(database);
      shadow.applied = state.appliedIndex;
      this.#judge(() => this.#compareState(shadow.id, state));
      return close;
    };
    if (state.appliedIndex > 0) this.#compareState(shadow.id, state);
  }

  /** D3. */
  #compareState(id: string, { appliedIndex, hash }: StateStore): void {
    const known = this.#hashes[appliedIndex];
    if (known === undefined) this.#hashes[appliedIndex] = hash;
    else if (known !== hash)
      throw new Error(`D3: the state of ${id} at ${appliedIndex} is not that of the others`);
  }
}

/** D4. */
function checkWindows(id: string, raft: Raft, most: number): void {
  for (const [peer, { inflight }] of raft.peers)
    if (inflight > most)
      throw new Error(`D4: ${inflight} appends of ${id} are in flight to ${peer}`);
}
