/** When small files are read in the loop's own turn. */
import test from "ava";
import { QuickReads, restMs, slowMs } from "../../../src/sdfs/chunks/quick-reads.ts";

test("after a slow read there is none in the loop's own turn for a while (Q1)", (t) => {
  let now = 0;
  const quick = new QuickReads(() => now);
  const read = (ms: number) => () => {
    now += ms;
    return ms;
  };
  t.true(quick.mayTry);
  t.is(quick.try(read(slowMs)), slowMs);
  t.true(quick.mayTry, "quick enough");
  quick.try(read(slowMs + 1));
  t.false(quick.mayTry);
  now += restMs - 1;
  t.false(quick.mayTry);
  now += 1;
  t.true(quick.mayTry);
});

test("a read that fails counts as any other", (t) => {
  let now = 0;
  const quick = new QuickReads(() => now);
  const failure = new Error("EIO");
  t.throws(
    () =>
      quick.try(() => {
        now += slowMs + 1;
        throw failure;
      }),
    { is: failure },
  );
  t.false(quick.mayTry);
});
