/** How far ahead of the network inputs are decoded: never too few, in bursts, over queries in their order. */
import test from "ava";
import type { Prepared } from "../../src/inference/feeder.ts";
import { decodeAhead, ThreadQuery } from "../../src/inference/thread-query.ts";

const unreadable: Prepared = { kind: "error", code: "unreadable" };
/** Of inputs without bytes, nothing is read. */
const query = (id: string, inputs: number): ThreadQuery =>
  new ThreadQuery(
    {
      id,
      model: 0,
      inputs: Array.from({ length: inputs }, () => ({ parts: [], bytes: 0 })),
      tensorsTo: undefined,
    },
    { prepare: async () => unreadable },
  );
const bounds = { low: 2, high: 5 };

test("decoding begins in bursts, when few inputs are left ahead", async (t) => {
  const one = query("one", 20);
  const ahead: number[] = [];
  for (let taken = 0; taken < 9; taken += 1) {
    decodeAhead([one], bounds);
    ahead.push(one.ahead);
    t.deepEqual(await one.take(), unreadable);
  }
  t.deepEqual(ahead, [5, 4, 3, 2, 5, 4, 3, 2, 5]);
});

test("a burst goes on with the next query, and leaves a cancelled one out", (t) => {
  const [one, cancelled, last] = [query("one", 2), query("cancelled", 9), query("last", 9)];
  cancelled.cancelled = true;
  decodeAhead([one, cancelled, last], bounds);
  t.deepEqual(
    [one, cancelled, last].map(({ ahead }) => ahead),
    [2, 0, 3],
  );
});

test("every input comes once and in its turn, whatever the bounds", async (t) => {
  for (const low of [1, 2, 9])
    for (const high of [low, low + 1, low + 8]) {
      const queries = [query("one", 3), query("two", 4)];
      let taken = 0;
      for (const each of queries) {
        for (let i = 0; i <= each.inputs.length; i += 1) {
          decodeAhead(queries, { low, high });
          t.true(each.ahead > 0 || i === each.inputs.length);
          if ((await each.take()) !== undefined) taken += 1;
        }
        t.is(each.ahead, 0, "taking what is not there changes nothing");
      }
      t.is(taken, 7);
    }
});
