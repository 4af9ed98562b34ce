/**
 * A fault that stays: some quorum can talk to each other, between all others links are cut at random, one way or both,
 * and whoever is not of that quorum may stand still. The group must go on all the same (openraft #2080; Howard and
 * Abraham 2020; six hours at Cloudflare in 2020).
 */
import { Random } from "../../../src/lib/random.ts";
import { defaultTimings } from "../../../src/raft/types.ts";
import { Cluster } from "../cluster.ts";

/** Virtual ms: in each such stretch at least one proposal is committed, the first one an election longer. */
const stretchMs = 4_000;
const firstMs = 10_000;
/** Time for those who hear nobody to stand, and stand again. */
const quietMs = 2_000;

export function standFault(seed: number): Cluster {
  const random = new Random(seed);
  const size = random.pick([3, 4, 5, 5, 7]) ?? 5;
  const cluster = new Cluster(size, random.next(), {
    timings: { ...defaultTimings, leaseReads: random.chance(1, 3) },
    oneWriteAtATime: true,
    hasTurns: true,
  });
  try {
    unsettle(cluster, random);
    const kind = cut(cluster, random);
    cluster.trace.add(cluster.now, `from here on: ${kind} ${[...cluster.network.cut].join(" ")}`);
    let reign: Reign | undefined;
    if (random.chance(1, 2)) {
      // Then all logs are equally long, and who asks for votes is refused only because the others hear a leader.
      cluster.run(quietMs);
      reign = reignOf(cluster);
      cluster.run(quietMs);
      checkReign(cluster, reign);
    }
    for (let stretch = 0; stretch < 4; stretch += 1) {
      const before = cluster.committed;
      const end = cluster.now + (stretch === 0 ? firstMs : stretchMs);
      const isServed = (): boolean =>
        cluster.checks.truth.text(cluster.committed)?.startsWith(`${kind}/`) === true &&
        cluster.committed > before;
      while (!isServed()) {
        if (cluster.now > end) throw new Error(`nothing is committed under a standing ${kind}`);
        for (const id of cluster.ids) cluster.propose(id, `${kind}/${cluster.now}`);
        cluster.run(100);
      }
      cluster.run(stretchMs / 2);
      if (stretch === 0) reign = reignOf(cluster);
    }
    checkReign(cluster, reign);
    return cluster;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(
      `IDUNNO_SEED=${seed} IDUNNO_RUNS=1: ${what}\n${cluster.trace.tail()}\n${cluster.describe()}`,
      { cause: error },
    );
  }
}

interface Reign {
  readonly leader: string;
  readonly term: number;
  /** Of all terms that anybody is in. */
  readonly newest: number;
}

function reignOf(cluster: Cluster): Reign | undefined {
  const leader = cluster.leader();
  if (leader === undefined) return undefined;
  const newest = Math.max(...cluster.ids.map((id) => cluster.raft(id).role.term));
  return { leader, term: cluster.raft(leader).role.term, newest };
}

/** R8: while a quorum hears its leader, nobody enters a term that was not begun before (dissertation §9.6). */
function checkReign(cluster: Cluster, before: Reign | undefined): void {
  const now = reignOf(cluster);
  // It was lost meanwhile: then somebody had to stand.
  if (now === undefined || now.leader !== before?.leader || now.term !== before.term) return;
  if (now.newest > before.newest)
    throw new Error(
      `R8: terms rose from ${before.newest} to ${now.newest} while ${now.leader} led term ${now.term}`,
    );
}

/** Terms rise and logs part, so that the fault does not meet a group in order. */
function unsettle(cluster: Cluster, random: Random): void {
  for (let i = random.between(0, 4); i > 0; i -= 1) {
    cluster.run(random.between(0, 1_500));
    const id = cluster.leader() ?? random.pick(cluster.ids) ?? "n1";
    cluster.propose(id, `early/${cluster.now}`);
    if (random.chance(1, 2)) cluster.isolate(id);
    else cluster.network.split(cluster.ids, random.pick(cluster.ids));
    if (random.chance(1, 3)) cluster.heal();
    for (const each of cluster.ids) cluster.propose(each, `early/${cluster.now}/${each}`);
    if (random.chance(1, 3)) depose(cluster, random);
  }
  cluster.run(random.between(0, 1_500));
  cluster.heal();
}

/** A leader loses everybody as it wins: who voted for it is in a term of which its log knows nothing. */
function depose(cluster: Cluster, random: Random): void {
  const old = cluster.leader();
  if (old !== undefined) cluster.isolate(old);
  if (!cluster.until(() => cluster.leader() !== old, 4_000)) return;
  cluster.isolate(cluster.leader() ?? "n1");
  cluster.run(random.between(0, 100));
}

function cut(cluster: Cluster, random: Random): string {
  const { ids } = cluster;
  const needed = Math.floor(ids.length / 2) + 1;
  const core = new Set<string>();
  // The leader so far as often outside as inside.
  const leader = cluster.leader();
  const keys = new Map(ids.map((id) => [id, random.next()]));
  if (leader !== undefined && random.chance(1, 3)) keys.set(leader, Number.POSITIVE_INFINITY);
  const order = ids.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
  for (const id of order.slice(0, random.between(needed, needed + 1))) core.add(id);
  for (const a of ids)
    for (const b of ids)
      if (a !== b && !(core.has(a) && core.has(b)) && random.chance(1, 2))
        cluster.network.cut.add(`${a}>${b}`);
  if (!random.chance(1, 3)) return "partial partition";
  for (const id of ids) if (!core.has(id)) cluster.pause(id);
  return "standstill of a minority";
}
