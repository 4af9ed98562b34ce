/** How far ahead of the network inputs are decoded: never too few, in bursts, over queries in their order. */
import test from "ava";
import type { Prepared } from "../../src/inference/feeder.ts";
import { Burst, decodeAhead, readAheadOf, ThreadQuery } from "../../src/inference/thread-query.ts";

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
    const before = one.ahead;
    t.is(decodeAhead([one], bounds).length, one.ahead - before);
    ahead.push(one.ahead);
    t.deepEqual(await one.take(), unreadable);
  }
  t.deepEqual(ahead, [5, 4, 3, 2, 5, 4, 3, 2, 5]);
});

test("a burst goes on with the next query, and leaves a cancelled one out", (t) => {
  const [one, cancelled, last] = [query("one", 2), query("cancelled", 9), query("last", 9)];
  cancelled.cancelled = true;
  void decodeAhead([one, cancelled, last], bounds); // none of them rejects
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
          void decodeAhead(queries, { low, high }); // none of them rejects
          t.true(each.ahead > 0 || i === each.inputs.length);
          if ((await each.take()) !== undefined) taken += 1;
        }
        t.is(each.ahead, 0, "taking what is not there changes nothing");
      }
      t.is(taken, 7);
    }
});

test("a burst is as large as 80 ms of decoding, and never without bounds", async (t) => {
  let now = 0;
  const burst = new Burst(() => now);
  const take = async (inputs: number, ms: number): Promise<number> => {
    let end = (): void => undefined;
    const last = new Promise<void>((resolve) => (end = resolve));
    const timed = burst.begun(Array.from({ length: inputs }, () => last));
    now += ms;
    end();
    await timed;
    return burst.size;
  };
  t.deepEqual(readAheadOf(2, burst), { low: 3, high: 3 + 8 });
  t.is(await take(8, 80), 8);
  t.is(await take(8, 32), 20);
  t.is(await take(20, 1), 24, "what costs nothing");
  t.is(await take(24, 2_400), 1, "what takes longer than a burst may");
  t.is(await take(1, 20), 4);
  await burst.begun([]);
  t.is(burst.size, 4, "nothing has begun");
});
