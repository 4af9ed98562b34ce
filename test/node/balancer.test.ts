/** When the leader looks for moves, and when it stops. What is moved: test/sdfs/catalog/balance.test.ts. */
import test from "ava";
import { Random } from "../../src/lib/random.ts";
import { StoreId } from "../../src/lib/types.ts";
import { Balancer } from "../../src/node/balancer.ts";
import type { Candidate } from "../../src/sdfs/catalog/placement.ts";
import { place } from "../../src/sdfs/catalog/placement.ts";
import type { ChunkRecord } from "../../src/sdfs/catalog/types.ts";
import { hashOf } from "../machine/fixtures.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { VirtualTime } from "../simulation/virtual-time.ts";

const store = (n: number, weight = 1): Candidate => ({
  store: StoreId(`s${n}`),
  node: `n${n}`,
  weight,
});

test("moves begin when nothing has changed for a while, go through all chunks, and end", async (t) => {
  const time = new VirtualTime();
  const runtime = new SimulatedProcess(time, { offset: 0, perMille: 1_000 }, new Random(1));
  const before = [1, 2, 3, 4, 5].map((n) => store(n));
  const chunks = Array.from({ length: 1_300 }, (_, n): ChunkRecord => {
    const hash = hashOf(n);
    return { hash, bytes: 10, stores: place(hash, before, 4), references: 1 };
  });
  let looks = 0;
  let moves = 0;
  let fails = true;
  const balancer = new Balancer(
    { steadyMs: 1_000, inventoryMs: 60_000 },
    {
      runtime,
      state: {
        async *rows(_, after) {
          looks += 1;
          for (const chunk of chunks)
            if (`chunk/${chunk.hash}` > (after ?? "")) yield [`chunk/${chunk.hash}`, chunk];
        },
      },
      copier: {
        carryOut: async (copies) => {
          moves += copies.length;
          if (fails) return;
          for (const { hash, to } of copies) {
            const at = chunks.findIndex((chunk) => chunk.hash === hash);
            const kept = place(hash, [...all.filter((c) => holds(at, c)), newcomer(to)], 4);
            chunks[at] = { ...(chunks[at] as ChunkRecord), stores: kept };
          }
        },
      },
    },
  );
  const all = [...before, store(6)];
  const holds = (at: number, { store: id }: Candidate) => chunks[at]?.stores.includes(id) === true;
  const newcomer = (id: StoreId) => all.find((each) => each.store === id) ?? store(0);
  const steps = async (stores: readonly Candidate[], n: number): Promise<void> => {
    for (let i = 0; i < n; i += 1) {
      await balancer.step(stores);
      await time.run(100);
    }
  };
  await steps(before, 60);
  const idle = looks;
  t.is(idle, 3, "three pages of up to 500, and nothing to do");
  t.is(moves, 0);
  // Somebody joins, and says a little later how much room he has.
  await steps([...before, store(6, 0.001)], 5);
  t.is(looks, idle);
  await steps(all, 10);
  t.is(looks, idle, "not before it is steady");
  await steps(all, 5);
  const asked = moves;
  t.true(asked > 500);
  fails = false;
  await steps(all, 60);
  t.is(moves, 2 * asked, "what failed is tried again");
  for (const { hash, stores } of chunks)
    t.deepEqual(stores.toSorted(), [...place(hash, all, 4)].toSorted());
  const { length } = chunks;
  const ended = looks;
  await steps(all, 60);
  t.is(looks, ended, `all ${length} are in place`);
  await steps(all, 600);
  t.is(looks, ended + 3, "now and then");
});
