/** What the leader proposes to collect. What apply makes of it: test/machine/collection.test.ts. */
import test from "ava";
import { Random } from "../../src/lib/random.ts";
import { LogTime } from "../../src/lib/types.ts";
import type { Operation } from "../../src/machine/commands.ts";
import { Collector, defaultCollection } from "../../src/node/collector.ts";
import { chunk, cluster, upload } from "../machine/fixtures.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";
import { stateOf } from "./http/http-node.ts";
import { quiet } from "./quiet.ts";

test("what is removed and nobody pins is collected once; what a model pins is not proposed again and again", async (t) => {
  const time = new VirtualTime();
  const runtime = new SimulatedProcess(time, { offset: 0, perMille: 1_000 }, new Random(1));
  const replica = cluster(4);
  replica.must(upload("free", [chunk(10, [1, 2, 3, 4])]));
  for (const path of ["free", "models/tiny.onnx"])
    replica.must({ kind: "remove-file", path, purge: true });
  const proposed: Operation[] = [];
  const collector = new Collector(
    { ...defaultCollection, garbageMs: Infinity },
    {
      machine: replica.machine,
      state: stateOf(replica),
      coordination: {
        proposeHere: async (operation) => {
          proposed.push(operation);
          return replica.must(operation).outcome;
        },
      },
      driver: { isReadyLeader: true },
      logClock: { now: () => LogTime(replica.at) },
      runtime,
      log: quiet,
    },
  );
  collector.start();
  await time.run(10 * defaultCollection.sweepMs);
  await collector.close();
  t.deepEqual(
    proposed.map((each) => (each.kind === "collect-versions" ? each.ids.length : each.kind)),
    [1],
  );
  t.is([...replica.rows.keys()].filter((key) => key.startsWith("removed/")).length, 1);
});
