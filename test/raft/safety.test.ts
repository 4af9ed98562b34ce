import test from "ava";
import { Random } from "../../src/lib/random.ts";
import { Cluster, type Faults } from "./cluster.ts";

const runs = Number(process.env["IDUNNO_RUNS"] ?? 60);
const firstSeed = Number(process.env["IDUNNO_SEED"] ?? 1);

/** One seed: five virtual minutes of proposals under loss, doubling, crashes and cuts, then calm. */
function stir(seed: number): { readonly cluster: Cluster; readonly proposed: number } {
  const random = new Random(seed);
  const size = random.pick([1, 3, 3, 5, 5, 7]) ?? 3;
  const cluster = new Cluster(size, random.next());
  const ids = [...cluster.nodes.keys()];
  const faults: Faults = {
    loss: random.between(0, 150),
    duplication: random.between(0, 200),
    delayMs: random.between(0, 80),
    diskMs: random.between(0, 60),
  };
  cluster.faults = faults;
  cluster.oneWriteAtATime = random.chance(1, 2);
  let proposed = 0;
  const down = new Set<string>();
  for (let step = 0; step < 150; step += 1) {
    cluster.run(random.between(0, 400));
    const id = random.pick(ids) ?? "n1";
    const dice = random.between(0, 99);
    if (dice < 12 && !down.has(id)) {
      const hint = cluster.leader() === id && random.chance(1, 2);
      cluster.crash(id);
      down.add(id);
      if (hint) cluster.died(id);
    } else if (dice < 35 && down.size > 0) {
      const back = random.pick([...down]) ?? id;
      down.delete(back);
      cluster.start(back);
    } else if (dice < 42) cluster.isolate(id);
    else if (dice < 46) cluster.cut.add(`${id}>${random.pick(ids) ?? id}`);
    else if (dice < 58) cluster.heal();
    else
      for (let i = random.between(1, 6); i > 0; i -= 1) {
        const target = random.chance(1, 4) ? id : (cluster.leader() ?? id);
        cluster.propose(target, `${seed}/${(proposed += 1)}`);
      }
  }
  cluster.heal();
  cluster.faults = { loss: 0, duplication: 0, delayMs: 2, diskMs: 2 };
  for (const id of down) cluster.start(id);
  return { cluster, proposed };
}

test(`safety holds and a leader returns, over ${runs} seeds`, (t) => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
    let world;
    try {
      world = stir(seed);
    } catch (error) {
      t.fail(`IDUNNO_SEED=${seed} IDUNNO_RUNS=1: ${String(error)}`);
      return;
    }
    const { cluster } = world;
    const everybody = [...cluster.nodes.values()];
    const caughtUp = (): boolean => {
      const leader = cluster.leader();
      if (leader === undefined || !cluster.raft(leader).isReadyLeader) return false;
      const last = cluster.raft(leader).lastIndex;
      return everybody.every(({ applied }) => applied === last);
    };
    t.true(
      cluster.until(caughtUp, 10_000),
      `seed ${seed}: no leader, or not all caught up: ${cluster.describe()}`,
    );
    const leader = cluster.leader() ?? "";
    t.true(cluster.propose(leader, "last"));
    t.true(
      cluster.until(() =>
        everybody.every((node) => cluster.committed[node.applied - 1]?.data === "last"),
      ),
      `seed ${seed}: the last proposal was not applied everywhere`,
    );
  }
});
