/** Log time on the clock of who reads the log. */
import test from "ava";
import { LogOffset } from "../../bench/log-offset.ts";

test("a slow commit does not make what it tells late: the quickest counts", (t) => {
  const offset = new LogOffset();
  offset.saw(2, 1_000, 510); // committed and seen after 10 ms, if log time is 500 ahead
  offset.saw(2, 1_100, 604); // after 4
  offset.saw(2, 1_200, 950); // after 250
  t.is(offset.here(2, 1_200), 704);
});

test("what is seen later corrects what is asked again", (t) => {
  const offset = new LogOffset();
  offset.saw(2, 1_000, 700);
  t.is(offset.here(2, 1_000), 700);
  offset.saw(2, 1_300, 805);
  t.is(offset.here(2, 1_000), 505);
});

test("each leader has a clock of its own", (t) => {
  const offset = new LogOffset();
  offset.saw(2, 1_000, 500);
  offset.saw(3, 2_000, 1_800);
  t.is(offset.here(2, 1_000), 500);
  t.is(offset.here(3, 2_000), 1_800);
  t.is(offset.here(4, 2_000), NaN);
});
