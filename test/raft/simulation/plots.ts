/** Happenings of several acts, each made of what has fooled a group before. */
import type { Random } from "../../../src/lib/random.ts";
import type { Cluster } from "../cluster.ts";

/** What a plot is played with. */
export interface Stage {
  readonly cluster: Cluster;
  readonly random: Random;
  /** Entries kept by whoever compacts. */
  readonly keep: number;
  readonly propose: (id: string) => void;
  readonly changeMembers: (id: string) => void;
  /** Takes acknowledged entries from a disk, if the group can bear it. */
  readonly damage: (id: string) => void;
}

/**
 * A leader is cut off and does not know it: it is asked for reads, and takes proposals and changes that will come to
 * nothing, while the others elect another, forget what is committed, and let it back in.
 */
export function usurp(stage: Stage): void {
  const { cluster, random, keep } = stage;
  const old = random.pick(cluster.leaders());
  if (old === undefined) return;
  cutOff(stage, old);
  const paceMs = random.pick([20, 60, 120]) ?? 60;
  // Either log may be the longer one in the end: how often each is given something, in a thousand per ms.
  const [oldRate = 0, newRate = 0] = random.pick([
    [2, 10],
    [10, 2],
    [1, 1],
  ]) ?? [1, 1];
  const end = cluster.now + random.between(100, 1_600);
  const changeAt = cluster.now + random.between(0, 1_000);
  for (let before = cluster.now; before < end; before = cluster.now) {
    cluster.run(random.between(1, paceMs));
    const ms = cluster.now - before;
    if (before < changeAt && cluster.now >= changeAt) stage.changeMembers(old);
    if (random.chance(oldRate * ms, 1_000)) stage.propose(old);
    cluster.read(old);
    const now = cluster.leader();
    if (now !== undefined && now !== old && random.chance(newRate * ms, 1_000)) stage.propose(now);
  }
  for (const id of cluster.ids) if (id !== old && random.chance(2, 3)) cluster.compact(id, keep);
  if (cluster.node(old).isPaused) cluster.resume(old, random.chance(1, 2));
  else if (random.chance(1, 2)) cluster.heal();
}

/** In one of the ways that have fooled leaders: in the middle of a handover, by voters that forget, standing still. */
function cutOff({ cluster, random }: Stage, old: string): void {
  const { others, friends } = quorumOf(cluster, old);
  const way = random.between(0, 5);
  if (way === 0) {
    cluster.handOver(old, friends[0]);
    cluster.run(random.between(0, 20));
  }
  if (way === 1) {
    for (const id of others)
      if (!friends.includes(id)) cluster.network.cut.add(`${old}>${id}`).add(`${id}>${old}`);
    cluster.run(random.between(500, 1_500));
  }
  if (way === 2) cluster.network.slow = old;
  if (way === 3) cluster.pause(old);
  else cluster.isolate(old);
  if (way === 1)
    for (const id of friends) {
      if (cluster.node(id).raft === undefined) continue;
      cluster.crash(id);
      cluster.start(id);
    }
  if (random.chance(1, 2)) cluster.died(old);
}

/**
 * Some fall behind while a bare quorum commits; then one of the quorum loses what it acknowledged, its companions are
 * out of reach, and those that fell behind are back: with the vote of the damaged one they could elect.
 */
export function relapse({ cluster, random, propose, damage }: Stage): void {
  const leader = random.pick(cluster.leaders());
  if (leader === undefined) return;
  const { others, friends } = quorumOf(cluster, leader);
  const [victim] = friends;
  if (victim === undefined) return;
  cluster.heal();
  for (const id of others) if (!friends.includes(id)) cluster.isolate(id);
  propose(leader);
  cluster.run(random.between(100, 500));
  cluster.heal();
  for (const id of [leader, ...friends.slice(1)]) cluster.isolate(id);
  damage(victim);
  cluster.run(random.between(500, 2_500));
  if (random.chance(2, 3)) cluster.heal();
}

/** The other voters, and those of them with whom this one is a bare quorum. */
function quorumOf(cluster: Cluster, id: string): { others: string[]; friends: string[] } {
  const others = cluster.raft(id).configuration.voters.filter((voter) => voter !== id);
  return { others, friends: others.slice(0, Math.floor((others.length + 1) / 2)) };
}

/** Somebody stands in a term of its own, unheard, while all others hear their leader again (etcd #8501). */
export function outbid({ cluster, random }: Stage): void {
  const leader = random.pick(cluster.leaders());
  if (leader === undefined) return;
  cluster.heal();
  cluster.isolate(leader);
  const stands = (): string | undefined =>
    cluster.ids.find((id) => cluster.node(id).raft?.role.kind === "candidate");
  if (!cluster.until(() => stands() !== undefined, 1_500)) return;
  cluster.heal();
  cluster.isolate(stands() ?? leader);
  cluster.run(random.between(20, 1_000));
  cluster.heal();
}

/**
 * Somebody was away while the log was cut, has a slow disk, and meets two leaders one after the other: what it writes
 * then is a term and a snapshot at once, and in the middle of that it dies.
 */
export function comeBack({ cluster, random, propose }: Stage, id: string): void {
  const { faults } = cluster.network;
  const nextReign = (): void => {
    const leader = cluster.leader();
    if (leader !== undefined) propose(leader);
    cluster.run(random.between(20, 200));
    if (leader !== undefined) cluster.handOver(leader, undefined);
    cluster.run(random.between(20, 300));
    for (const other of cluster.ids) cluster.compact(other, 0);
  };
  cluster.heal();
  if (cluster.node(id).raft !== undefined) cluster.crash(id);
  nextReign();
  cluster.network.slow = id;
  cluster.network.faults = { ...faults, diskMs: 400 };
  cluster.start(id);
  nextReign();
  const node = cluster.node(id);
  const installs = (): boolean => node.writing.some(({ install }) => install !== undefined);
  if (cluster.until(installs, 3_000)) {
    cluster.crash(id);
    cluster.start(id);
  }
  cluster.network.faults = faults;
}
