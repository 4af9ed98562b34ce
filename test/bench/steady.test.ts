/** A rate must not depend on how many queries run side by side, only on how much is done in a time. */
import test from "ava";
import { type Ran, steadyRate } from "../../bench/throughput/steady.ts";

/** Slots that each run queries of 8 inputs, one after the other with a pause between, all beginning together. */
function waves(slots: number, count: number, lengthMs: number, pauseMs = 0): Ran[] {
  return Array.from({ length: slots * count }, (_, i) => {
    const wave = Math.floor(i / slots);
    const doneMs = 1_000 + (wave + 1) * lengthMs + wave * pauseMs;
    return { inputs: 8, elapsedMs: lengthMs, doneMs };
  });
}

test("slots that work in step are not counted for more than they do", (t) => {
  // 5 slots × 8 inputs a second. From first to last completion it would look like 49 × 8 inputs in 9 seconds.
  t.deepEqual(steadyRate(waves(5, 10, 1_000)), { perSecond: 40, steady: true });
});

test("as many inputs in as much time give one rate, whether two slots or five run them", (t) => {
  const two = steadyRate(waves(2, 25, 400)).perSecond;
  const five = steadyRate(waves(5, 10, 1_000)).perSecond;
  t.true(Math.abs(two - five) < 1e-9);
});

test("the emptying of slots at the end does not count", (t) => {
  const queries = waves(5, 10, 1_000);
  t.is(steadyRate(queries.slice(0, -4)).perSecond, 40);
});

test("pauses between queries lower the rate", (t) => {
  const { perSecond } = steadyRate(waves(1, 101, 100, 100));
  t.true(perSecond > 39 && perSecond < 41, `${perSecond}`);
});

test("a job that is too short is judged by its whole length, and says so", (t) => {
  t.deepEqual(steadyRate(waves(2, 2, 1_000)), { perSecond: 16, steady: false });
});

test("nothing ran: there is no rate", (t) => {
  t.deepEqual(steadyRate([]), { perSecond: NaN, steady: false });
});
