/** When the leader looks for chunks to copy, and when it need not. What is copied where: test/sdfs/catalog/repair.test.ts. */
import test from "ava";
import { Random } from "../../src/lib/random.ts";
import { LogTime, StoreId } from "../../src/lib/types.ts";
import { defaultCollection } from "../../src/node/collector.ts";
import { Repairer } from "../../src/node/repairer.ts";
import { chunk, cluster, hashOf, nodeName, type Replica, upload } from "../machine/fixtures.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";
import { stateOf } from "./http/http-node.ts";
import { quiet } from "./quiet.ts";

/** The first node of a cluster leads; sweeps come once a second. */
class Leader {
  readonly repairer: Repairer;
  /** How often the list of chunks that want copies was read. */
  looks = 0;
  /** Chunks copied to this node. */
  readonly copied: string[] = [];
  readonly #time = new VirtualTime();

  constructor(replica: Replica) {
    const runtime = new SimulatedProcess(this.#time, { offset: 0, perMille: 1_000 }, new Random(1));
    const state = stateOf(replica);
    this.repairer = new Repairer(defaultCollection, {
      self: nodeName(1),
      machine: replica.machine,
      state: {
        get: (key) => state.get(key),
        rows: (prefix, after) => {
          if (prefix === "lacking/") this.looks += 1;
          return state.rows(prefix, after);
        },
      },
      store: { id: StoreId("store1") },
      chunks: {
        copyHere: async (hash) => {
          this.copied.push(hash);
          return replica.index;
        },
      },
      peers: { request: () => Promise.reject(new Error("only this node lacks anything")) },
      coordination: {
        decide: () => Promise.reject(new Error("nothing is lost")),
        proposeHere: async (operation) => replica.must(operation).outcome,
      },
      driver: { isReadyLeader: true },
      logClock: { now: () => LogTime(replica.at) },
      runtime,
      log: quiet,
    });
    this.repairer.start();
  }

  async sweeps(n: number): Promise<void> {
    await this.#time.run(1_000 * n);
  }
}

test("chunks that cannot have more copies are read once, and again when their list changes", async (t) => {
  // Three nodes, and four copies are wanted of each chunk.
  const replica = cluster(3);
  const leader = new Leader(replica);
  await leader.sweeps(20);
  t.is(leader.looks, 1);
  replica.must(upload("more", [chunk(10, [1, 2, 3])]));
  await leader.sweeps(20);
  t.is(leader.looks, 2);
  t.deepEqual(leader.copied, []);
  await leader.repairer.close();
});

test("chunks that come to want copies between two looks at the members are copied", async (t) => {
  const replica = cluster(4);
  const leader = new Leader(replica);
  await leader.sweeps(20);
  t.is(leader.looks, 1, "nothing in it, and nothing came");
  for (const n of [11, 12]) {
    // It has been away for a put, and is back before anybody looks.
    const mark = { kind: "mark-member", node: nodeName(1), boot: "boot1" } as const;
    replica.must({ ...mark, state: "down" });
    replica.at += 3_600_000;
    replica.must(upload(`away-${n}`, [chunk(n, [2, 3, 4])]));
    replica.must({ ...mark, state: "up" });
    await leader.sweeps(20);
  }
  t.deepEqual(leader.copied, [hashOf(11), hashOf(12)]);
  t.is(leader.looks, 1 + 2 * 2, "once to copy, and once after the list changed by that");
  await leader.repairer.close();
});
