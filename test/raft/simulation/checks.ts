/**
 * The rules of src/raft/state.ts, configuration.ts and log.ts, checked from outside after every event, each violation
 * named by its rule. It looks only at what the core shows, what it sends, and what lies on the disks.
 */
import { LogIndex, type NodeId } from "../../../src/lib/types.ts";
import { isJoint } from "../../../src/raft/configuration.ts";
import type { Raft } from "../../../src/raft/core.ts";
import type {
  Configuration,
  ConfigurationAt,
  Entry,
  HardState,
  Message,
  PersistWrite,
  Ready,
} from "../../../src/raft/types.ts";
import { checkMayStand } from "./candidacy.ts";
import { decoded } from "./disk.ts";
import type { SimulatedNode } from "./node.ts";
import { isQuorum, quorumsOverlap } from "./quorums.ts";
import { Truth } from "./truth.ts";

interface Seen {
  readonly life: number;
  readonly term: number;
  readonly isLeader: boolean;
  readonly isCandidate: boolean;
  readonly commit: number;
  readonly configuration: ConfigurationAt;
}

export class Checks {
  readonly truth: Truth;
  /** Who led each term. */
  readonly leaders = new Map<number, { readonly id: string; readonly life: number }>();
  readonly #nodes: ReadonlyMap<string, SimulatedNode>;
  readonly #seen = new Map<string, Seen>();
  /** "voter/term" → for whom, as it became durable. */
  readonly #votes = new Map<string, string>();
  /** Those that damage may have forgotten. */
  readonly #forgotten = new Set<string>();
  /** "index/term" → the term before it and the entry: Log Matching, by induction. */
  readonly #entries = new Map<string, { readonly before: number; readonly entry: Entry }>();
  readonly #readFloors = new Map<number, number>();
  /** Reads answered with an index. */
  readsAnswered = 0;

  constructor(nodes: ReadonlyMap<string, SimulatedNode>, founders: readonly NodeId[]) {
    this.#nodes = nodes;
    this.truth = new Truth(founders);
  }

  /** After anything that was told to a core. */
  observe(node: SimulatedNode): void {
    const { raft, id, life } = node;
    if (raft === undefined) return;
    const before = this.#seen.get(id);
    const { kind, term } = raft.role;
    const seen: Seen = {
      life,
      term,
      isLeader: kind === "leader",
      isCandidate: kind === "candidate" || kind === "preCandidate",
      commit: raft.commitIndex,
      configuration: raft.configurationAsOf(raft.lastIndex),
    };
    const same = before?.life === life ? before : undefined;
    if (term < node.disk.hardState.term || term < (same?.term ?? 0))
      throw new Error(`R1: ${id}'s term fell to ${term}`);
    if (raft.commitIndex < (same?.commit ?? 0)) throw new Error(`R4: ${id}'s commit index fell`);
    this.#ordered(node, raft);
    const lastTerm = node.disk.term(node.disk.lastIndex) ?? 0;
    if (same === undefined && term < lastTerm)
      throw new Error(`R2: ${id} begins in term ${term} with a log of term ${lastTerm}`);
    this.#seen.set(id, seen);
    if (seen.isLeader && !(same?.isLeader === true && same.term === term)) this.#leads(node, raft);
    if (seen.isCandidate && same?.isCandidate !== true) checkMayStand(node, raft);
    if (same === undefined || same.configuration.index !== seen.configuration.index)
      this.#configuration(node, raft, same, seen);
    if (seen.commit > (same?.commit ?? 0)) this.#committed(node, raft, same, seen);
  }

  #ordered({ id, applied }: SimulatedNode, raft: Raft): void {
    const { base, commitIndex, lastIndex } = raft;
    if (base.index > commitIndex || commitIndex > lastIndex || applied > commitIndex)
      throw new Error(
        `L1: ${id} has base ${base.index}, applied ${applied}, commit ${commitIndex}, last ${lastIndex}`,
      );
  }

  /** Somebody took the lead: R2, and Leader Completeness (§5.4). */
  #leads(node: SimulatedNode, raft: Raft): void {
    const { id, life, disk } = node;
    const { term } = raft.role;
    const other = this.leaders.get(term);
    if (other !== undefined) throw new Error(`R2: ${other.id} and ${id} lead term ${term}`);
    this.leaders.set(term, { id, life });
    if (disk.hardState.term !== term || disk.hardState.vote !== id)
      throw new Error(`R2: ${id} leads term ${term} without a durable vote of its own`);
    // The entry with which it begins, and perhaps a configuration, came after the election.
    const { configuration } = raft.configurationAsOf(LogIndex((raft.noopIndex ?? 1) - 1));
    if (!isQuorum(configuration, (voter) => this.#votes.get(`${voter}/${term}`) === id))
      throw new Error(`R2: ${id} leads term ${term} without a quorum of durable votes`);
    const newest = this.truth.newestBefore(term);
    if (newest === undefined || newest.index <= raft.base.index) return;
    if (raft.entries(newest.index, 0)[0]?.term !== newest.term)
      throw new Error(`Leader Completeness: ${id} leads term ${term} without ${newest.index}`);
  }

  #configuration(node: SimulatedNode, raft: Raft, before: Seen | undefined, seen: Seen): void {
    const { id } = node;
    const { index, configuration } = seen.configuration;
    checkShape(id, configuration);
    const own = lastConfiguration(raft, this.truth);
    // Who joins later begins with what he was told, which is no entry.
    if (node.hasJoined && index === 0) return;
    // A base knows its configuration, and not which entry brought it.
    const isFromBase = Math.max(own.index, index) <= raft.base.index;
    if (
      (own.index !== index && !isFromBase) ||
      JSON.stringify(own.configuration) !== JSON.stringify(configuration)
    )
      throw new Error(`R12: ${id} goes by ${index}, the last one in its log is ${own.index}`);
    if (before === undefined || !seen.isLeader || before.term !== seen.term || !before.isLeader)
      return;
    if (index !== raft.lastIndex && index <= before.configuration.index)
      throw new Error(`R12: leader ${id} took configuration ${before.configuration.index} back`);
    if (before.configuration.index > raft.commitIndex)
      throw new Error(`R12: ${id} changes ${before.configuration.index} before it is committed`);
    if (!raft.isReadyLeader)
      throw new Error(`R12: ${id} changes members before an entry of its term is committed`);
    if (!quorumsOverlap(before.configuration.configuration, configuration))
      throw new Error(`C3: ${before.configuration.index} and ${index} have disjoint quorums`);
    checkLeft(id, before.configuration.configuration, configuration);
  }

  #committed(node: SimulatedNode, raft: Raft, before: Seen | undefined, seen: Seen): void {
    const { id } = node;
    const { truth } = this;
    truth.compareBase(id, raft.base);
    const from = Math.max(before?.commit ?? 0, raft.base.index) + 1;
    for (let index = from; index <= seen.commit; index += 1) {
      const [entry] = raft.entries(LogIndex(index), 0);
      if (entry?.index !== index) throw new Error(`${id} lacks the committed entry ${index}`);
      if (index <= truth.length) truth.compare(id, entry);
      else this.#first(node, entry, before, seen);
    }
  }

  /** The first to know that an entry is committed is its leader, and a quorum holds it durably (R3, R4). */
  #first(node: SimulatedNode, entry: Entry, before: Seen | undefined, seen: Seen): void {
    const { id } = node;
    const { index, term } = entry;
    // Committing may have ended a joint configuration, or the leadership, in the same step: what counted came before.
    const leading = before?.isLeader === true ? before : seen;
    if (!leading.isLeader)
      throw new Error(`R3: ${id} is the first to commit ${index}, not leading`);
    const raft = node.raft;
    const [newest] = raft?.entries(LogIndex(seen.commit), 0) ?? [];
    if (newest?.term !== leading.term)
      throw new Error(
        `R3: ${id} commits ${seen.commit}/${newest?.term ?? "?"} in term ${leading.term}`,
      );
    const { configuration } = leading.configuration;
    const holds = (voter: NodeId): boolean =>
      this.#nodes.get(voter)?.vouchesFor(index, term) === true;
    if (!isQuorum(configuration, holds)) {
      const holders = [...this.#nodes.values()].filter((each) => holds(each.id));
      throw new Error(
        `R4: ${id} commits ${index}/${term}, durable on ${holders.map((each) => each.id).join(" ")} only`,
      );
    }
    this.truth.add(entry, leading.term);
  }

  /** What a core wants written: Leader Append-Only (§5.3), Log Matching. */
  write({ id, raft }: SimulatedNode, persist: PersistWrite): void {
    if (raft?.role.kind === "leader" && persist.truncateFrom !== undefined)
      throw new Error(`Leader Append-Only: ${id} truncates from ${persist.truncateFrom}`);
    const [first] = persist.entries;
    if (first === undefined || raft === undefined) return;
    const at = LogIndex(first.index - 1);
    let before =
      at === raft.base.index ? raft.base.term : (raft.entries(at, 0)[0]?.term ?? first.term);
    for (const entry of persist.entries) {
      const key = `${entry.index}/${entry.term}`;
      const known = this.#entries.get(key);
      if (known === undefined) this.#entries.set(key, { before, entry });
      else if (
        known.before !== before ||
        (known.entry !== entry && Buffer.compare(known.entry.data, entry.data) !== 0)
      )
        throw new Error(`Log Matching: ${id} has another ${key} than others do`);
      before = entry.term;
    }
  }

  /** A write is about to be durable: no disk loses a committed entry (R4, R11). */
  reached({ id, disk }: SimulatedNode, write: PersistWrite): void {
    const { hardState, install, truncateFrom, entries } = write;
    if (hardState !== undefined) this.#voted(id, hardState);
    const kept = Math.min(
      truncateFrom ?? Number.POSITIVE_INFINITY,
      install === undefined ? Number.POSITIVE_INFINITY : install.index + 1,
    );
    for (let index = kept; index <= disk.lastIndex; index += 1) {
      const term = disk.term(index);
      const isAgain = entries.some((entry) => entry.index === index && entry.term === term);
      if (term === this.truth.at(index)?.term && !isAgain)
        throw new Error(`R4: ${id} takes the committed entry ${index}/${term} off its disk`);
    }
  }

  /** R1, over all lives of the node. */
  #voted(id: string, { term, vote }: HardState): void {
    if (vote === undefined) return;
    const key = `${id}/${term}`;
    const before = this.#votes.get(key);
    if (before !== undefined && this.#forgotten.has(key)) return;
    if (before !== undefined && before !== vote)
      throw new Error(`R1: ${id} voted for ${before} and for ${vote} in term ${term}`);
    this.#votes.set(key, vote);
  }

  /** A message leaves. R5: nothing that it promises is missing on the disk. R2: only its leader speaks for a term. */
  sent(node: SimulatedNode, message: Message): void {
    const { id, disk } = node;
    const { term } = message;
    switch (message.kind) {
      case "append":
      case "heartbeat":
      case "snapshotOffer":
      case "timeoutNow":
        if (this.leaders.get(term)?.id !== id)
          throw new Error(`R2: ${id} speaks as the leader of term ${term}`);
        if (disk.hardState.term < term) throw new Error(`R5: term ${term} of ${id} is not durable`);
        return;
      case "voteReply":
        if (!message.granted) return;
        if (node.raft?.isDamaged === true) throw new Error(`R9: ${id} votes, though damaged`);
        if (
          disk.hardState.term < term ||
          (disk.hardState.term === term && disk.hardState.vote !== message.to)
        )
          throw new Error(`R5: ${id}'s vote for ${message.to} in ${term} is not durable`);
        // A newer durable term makes it as good as durable: it can vote in the old one no more.
        this.#voted(id, { term, vote: message.to });
        return;
      case "appendReply":
        if (disk.hardState.term < term) throw new Error(`R5: term ${term} of ${id} is not durable`);
        if (message.result.kind === "matched" && !message.damaged)
          this.#acknowledged(node, message.to, term, message.result.matchIndex);
        return;
      default:
    }
  }

  #acknowledged({ id, disk }: SimulatedNode, to: NodeId, term: number, index: number): void {
    // A newer leader may have replaced the entry while the answer waited for the disk; the answer is then void.
    if (disk.hardState.term > term) return;
    if (disk.lastIndex < index) throw new Error(`R5: ${id} acknowledges ${index}, not durable`);
    const leader = this.#nodes.get(to)?.raft;
    if (leader?.role.kind !== "leader" || leader.role.term !== term || index <= disk.base.index)
      return;
    if (index <= leader.base.index) return;
    const [entry] = leader.entries(LogIndex(index), 0);
    if (entry !== undefined && disk.term(index) !== entry.term)
      throw new Error(`L2: ${id} acknowledges ${index}/${entry.term}, has ${disk.term(index)}`);
  }

  applied(node: SimulatedNode, entry: Entry): void {
    if (entry.index > this.truth.length)
      throw new Error(`R6: ${node.id} applies ${entry.index}, not committed`);
    if (node.disk.term(entry.index) !== entry.term)
      throw new Error(`R6: ${node.id} applies ${entry.index}, not durable on it`);
    this.truth.compare(node.id, entry);
  }

  asked(read: number): void {
    this.#readFloors.set(read, this.truth.length);
  }

  /** R7, R10: a read sees everything that was committed anywhere before it was asked for. */
  answered(id: string, { reads }: Pick<Ready, "reads">): void {
    for (const { id: read, index } of reads) {
      if (index === undefined) continue;
      this.readsAnswered += 1;
      const floor = this.#readFloors.get(read) ?? 0;
      if (index < floor)
        throw new Error(`R7/R10: ${id} reads at ${index}, ${floor} was committed before`);
    }
  }

  /** R9: damage is over only when what was committed and acknowledged is there again. */
  healed(node: SimulatedNode): void {
    for (const entry of node.lost) {
      const { index, term } = entry;
      const isMissing = this.truth.at(index)?.term === term && !node.disk.holds(index, term);
      if (isMissing && node.hasPromised(entry))
        throw new Error(`R9: ${node.id} is whole again without the committed entry ${index}`);
    }
  }

  /** Damage may have taken a vote along: what the node does about it, R9 says. */
  forgot(id: string, term: number): void {
    this.#forgotten.add(`${id}/${term}`);
  }
}

/** C1, C2. */
function checkShape(id: string, configuration: Configuration): void {
  const { voters, outgoing, learners, learnersNext } = configuration;
  if (voters.length === 0) throw new Error(`C1: ${id} has a configuration without voters`);
  if (learners.some((node) => voters.includes(node) || outgoing.includes(node)))
    throw new Error(`C2: ${id} has a learner that votes`);
  if (learnersNext.some((node) => !outgoing.includes(node) || voters.includes(node)))
    throw new Error(`C2: ${id} has a waiting learner that does not vote in the outgoing half`);
  if (!isJoint(configuration) && learnersNext.length > 0)
    throw new Error(`C2: ${id} has waiting learners outside a joint configuration`);
}

/** C2: leaving a joint configuration takes nobody's place. */
function checkLeft(id: string, before: Configuration, after: Configuration): void {
  if (!isJoint(before) || isJoint(after)) return;
  const stays = [...before.learners, ...before.learnersNext];
  if (stays.some((node) => !after.learners.includes(node)))
    throw new Error(`C2: ${id} leaves a joint configuration without ${stays.join(" ")}`);
}

/** R12, by reading the whole log. */
function lastConfiguration(raft: Raft, truth: Truth): ConfigurationAt {
  for (let index = raft.lastIndex; index > raft.base.index; index = LogIndex(index - 1)) {
    const [entry] = raft.entries(index, 0);
    if (entry?.kind === "configuration") return { index, configuration: decoded(entry.data) };
  }
  return truth.configurationAsOf(raft.base.index);
}
