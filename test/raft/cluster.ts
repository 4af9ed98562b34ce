/**
 * A whole Raft group in one thread and virtual time: cores joined by a network that delays, loses and doubles, over
 * disks that forget what was not synced. Everything is drawn from one seed. After each event the invariants of
 * src/raft/state.ts are checked, so a test only has to stir.
 */
import { Random } from "../../src/lib/random.ts";
import { LogIndex, NodeId, Term } from "../../src/lib/types.ts";
import { simpleConfiguration } from "../../src/raft/configuration.ts";
import { Raft } from "../../src/raft/core.ts";
import {
  defaultLimits,
  defaultTimings,
  type Entry,
  type HardState,
  type Message,
  type PersistWrite,
  type Ready,
} from "../../src/raft/types.ts";

export interface Faults {
  /** Chances in a thousand per message. */
  readonly loss: number;
  readonly duplication: number;
  readonly delayMs: number;
  /** Longest time of a synced write. */
  readonly diskMs: number;
}

export const calm: Faults = { loss: 0, duplication: 0, delayMs: 1, diskMs: 1 };

/** What survives a crash: exactly the acknowledged writes, plus any prefix of the rest. */
class Disk {
  hardState: HardState = { term: Term(0), vote: undefined };
  entries: Entry[] = [];

  apply(write: PersistWrite): void {
    if (write.hardState !== undefined) this.hardState = write.hardState;
    if (write.truncateFrom !== undefined) this.entries.length = write.truncateFrom - 1;
    for (const entry of write.entries) this.entries[entry.index - 1] = entry;
  }
}

class Node {
  readonly disk = new Disk();
  raft: Raft | undefined;
  /** Restarts make old events of this node void. */
  life = 0;
  applied = 0;
  writing: PersistWrite[] = [];
  held: { readonly afterWrite: number; readonly message: Message }[] = [];
  durableWrite = 0;
  readonly reads = new Map<number, number | undefined>();
  readonly id: NodeId;
  constructor(id: NodeId) {
    this.id = id;
  }
}

interface Event {
  readonly at: number;
  readonly seq: number;
  readonly run: () => void;
}

export class Cluster {
  now = 0;
  readonly random: Random;
  readonly nodes = new Map<string, Node>();
  readonly leaders = new Map<number, string>();
  /** Index → [term, data] of what any node has applied: the truth all must share. */
  readonly committed: { readonly term: number; readonly data: string }[] = [];
  /** "a>b" for each directed link that is cut. */
  readonly cut = new Set<string>();
  faults: Faults = calm;
  oneWriteAtATime = false;
  readonly #queue: Event[] = [];
  #seq = 0;

  constructor(size: number, seed: number) {
    this.random = new Random(seed);
    const ids = Array.from({ length: size }, (_, i) => NodeId(`n${i + 1}`));
    for (const id of ids) this.nodes.set(id, new Node(id));
    for (const id of ids) this.start(id);
  }

  node(id: string): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  raft(id: string): Raft {
    const { raft } = this.node(id);
    if (raft === undefined) throw new Error(`${id} is down`);
    return raft;
  }

  start(id: string, damaged = false): void {
    const node = this.node(id);
    const { entries, hardState } = node.disk;
    node.raft = new Raft(
      {
        id: node.id,
        configurations: [
          {
            index: LogIndex(0),
            configuration: simpleConfiguration([...this.nodes.values()].map((each) => each.id)),
          },
        ],
        timings: defaultTimings,
        limits: { ...defaultLimits, appendBytes: 400, inflightMessages: 4, windowBytes: 1_000 },
        seed: this.random.next(),
        now: this.now,
        hardState,
        base: { index: LogIndex(0), term: Term(0) },
        lastIndex: LogIndex(entries.length),
        lastTerm: entries.at(-1)?.term ?? Term(0),
        appliedIndex: LogIndex(0),
        damaged,
      },
      {
        log: {
          read: (from, to, maxBytes) => {
            const found: Entry[] = [];
            let bytes = 0;
            for (const entry of node.disk.entries.slice(from - 1, to)) {
              bytes += entry.data.length + 32;
              if (found.length > 0 && bytes > maxBytes) break;
              found.push(entry);
            }
            return found;
          },
        },
      },
    );
    node.life += 1;
    node.applied = 0;
    node.durableWrite = 0;
    node.writing = [];
    node.held = [];
    this.#wake(node);
  }

  /** The process dies; of the writes under way a random prefix reached the disk. */
  crash(id: string): void {
    const node = this.node(id);
    node.raft = undefined;
    node.life += 1;
    for (const write of node.writing.slice(0, this.random.between(0, node.writing.length)))
      node.disk.apply(write);
    node.writing = [];
    node.held = [];
  }

  isolate(id: string): void {
    for (const other of this.nodes.keys())
      if (other !== id) this.cut.add(`${id}>${other}`).add(`${other}>${id}`);
  }

  heal(): void {
    this.cut.clear();
  }

  leader(): string | undefined {
    const leading = [...this.nodes.values()].filter((n) => n.raft?.role.kind === "leader");
    return leading.toSorted((a, b) => (b.raft?.role.term ?? 0) - (a.raft?.role.term ?? 0))[0]?.id;
  }

  /** One line per node, for the message of a failed test. */
  describe(): string {
    return [...this.nodes.values()]
      .map(({ id, raft, applied, disk }) =>
        raft === undefined
          ? `${id} down`
          : `${id} ${raft.role.kind} term ${raft.role.term} leader ${raft.role.leader ?? "-"} last ${raft.lastIndex} commit ${raft.commitIndex} applied ${applied} disk ${disk.entries.length}`,
      )
      .join("; ");
  }

  propose(id: string, text: string): boolean {
    const node = this.node(id);
    const result = node.raft?.propose([new TextEncoder().encode(text)], this.now);
    this.#drain(node);
    return result?.kind === "accepted";
  }

  read(id: string, readId: number): void {
    const node = this.node(id);
    node.raft?.read(readId, this.now);
    this.#drain(node);
  }

  died(peer: string): void {
    for (const node of this.nodes.values())
      if (node.id !== peer && node.raft !== undefined) {
        node.raft.step({ kind: "unreachable", peer: NodeId(peer) }, this.now);
        node.raft.step({ kind: "peerDied", peer: NodeId(peer) }, this.now);
        this.#drain(node);
      }
  }

  /** Runs until the condition holds; false when `ms` of virtual time pass first. */
  until(condition: () => boolean, ms = 20_000): boolean {
    const end = this.now + ms;
    while (!condition()) {
      const event = this.#queue[0];
      if (event === undefined || event.at > end) return false;
      this.#next();
    }
    return true;
  }

  run(ms: number): void {
    const end = this.now + ms;
    while ((this.#queue[0]?.at ?? Infinity) <= end) this.#next();
    this.now = end;
  }

  #next(): void {
    const event = this.#queue.shift();
    if (event === undefined) return;
    this.now = event.at;
    event.run();
  }

  #at(delay: number, run: () => void): void {
    const event = { at: this.now + delay, seq: (this.#seq += 1), run };
    let i = this.#queue.length;
    for (let before = this.#queue[i - 1]; i > 0 && before !== undefined && before.at > event.at;) {
      i -= 1;
      before = this.#queue[i - 1];
    }
    this.#queue.splice(i, 0, event);
  }

  #wake(node: Node): void {
    const { raft, life } = node;
    if (raft === undefined) return;
    this.#at(Math.max(0, raft.deadline - this.now), () => {
      if (node.life !== life) return;
      if (raft.deadline <= this.now) {
        raft.step({ kind: "tick" }, this.now);
        this.#drain(node);
      }
      this.#wake(node);
    });
  }

  #drain(node: Node): void {
    const { raft } = node;
    if (raft === undefined) return;
    // Half of the disks take one write at a time, as the driver does: what comes meanwhile shares the next.
    const ready = raft.takeReady(!this.oneWriteAtATime || node.writing.length === 0);
    if (ready.role?.kind === "leader") {
      const { term } = ready.role;
      const other = this.leaders.get(term);
      if (other !== undefined && other !== node.id)
        throw new Error(`R2: ${other} and ${node.id} lead term ${term}`);
      if (other === node.id) throw new Error(`R2: ${node.id} leads term ${term} twice`);
      this.leaders.set(term, node.id);
    }
    this.#persist(node, ready);
    for (const { message, afterWrite } of ready.messages) {
      if (afterWrite > node.durableWrite) node.held.push({ afterWrite, message });
      else this.#send(message);
    }
    for (const { id, index } of ready.reads) node.reads.set(id, index);
    this.#apply(node, ready.applyTo);
  }

  #persist(node: Node, ready: Ready): void {
    const { persist } = ready;
    if (persist === undefined) return;
    node.writing.push(persist);
    const { life } = node;
    // Disks serve in order: never before the writes that came first.
    this.#at(this.faults.diskMs === 0 ? 0 : this.random.between(0, this.faults.diskMs), () => {
      if (node.life !== life) return;
      while (node.writing[0] !== undefined && node.writing[0].write <= persist.write) {
        const done = node.writing.shift();
        if (done !== undefined) node.disk.apply(done);
      }
      node.durableWrite = Math.max(node.durableWrite, persist.write);
      node.raft?.step({ kind: "persisted", write: node.durableWrite }, this.now);
      const free = node.held.filter(({ afterWrite }) => afterWrite <= node.durableWrite);
      node.held = node.held.filter(({ afterWrite }) => afterWrite > node.durableWrite);
      for (const { message } of free) this.#send(message);
      this.#drain(node);
    });
  }

  #send(message: Message): void {
    if (this.cut.has(`${message.from}>${message.to}`)) return;
    if (this.random.chance(this.faults.loss, 1_000)) return;
    const copies = this.random.chance(this.faults.duplication, 1_000) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1)
      this.#at(
        this.random.between(0, this.faults.delayMs) + copy * this.random.between(0, 500),
        () => {
          const node = this.node(message.to);
          node.raft?.step({ kind: "message", message }, this.now);
          this.#drain(node);
        },
      );
  }

  #apply(node: Node, to: number): void {
    for (let index = node.applied + 1; index <= to; index += 1) {
      const [entry] = node.raft?.entries(LogIndex(index), 0) ?? [];
      if (entry === undefined || entry.index !== index)
        throw new Error(`${node.id} lacks ${index}`);
      const seen = { term: entry.term as number, data: new TextDecoder().decode(entry.data) };
      const truth = this.committed[index - 1];
      if (truth === undefined) {
        this.#durableOnQuorum(index, seen.term);
        this.committed[index - 1] = seen;
      } else if (truth.term !== seen.term || truth.data !== seen.data)
        throw new Error(`R4: ${node.id} applies ${seen.data} at ${index}, not ${truth.data}`);
      node.applied = index;
    }
  }

  /** R3: what is applied for the first time lies on the disks of a majority. */
  #durableOnQuorum(index: number, term: number): void {
    const holders = [...this.nodes.values()].filter(
      ({ disk }) => disk.entries[index - 1]?.term === term,
    ).length;
    if (holders * 2 <= this.nodes.size)
      throw new Error(`R3: ${index} of term ${term} is on ${holders} disks only`);
  }
}
