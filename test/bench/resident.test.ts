import test from "ava";
import { growth, parseResident, residentMiB } from "../../bench/memory/resident.ts";

test("resident memory is read from the status of a process", (t) => {
  t.is(parseResident("Name:\tnode\nVmHWM:\t  999999 kB\nVmRSS:\t  204800 kB\nThreads:\t11\n"), 200);
  t.true(Number.isNaN(parseResident("Name:\tnode\nState:\tZ (zombie)\n")));
});

test("a process that is gone has none", async (t) => {
  t.true((await residentMiB(process.pid)) > 1);
  // Beyond what Linux gives.
  t.true(Number.isNaN(await residentMiB(2 ** 30)));
});

test("growth is that of the last quarter over the one before", (t) => {
  t.is(
    growth([900, 900, 100, 100, 100, 100, 110, 110]),
    growth([1, 1, 100, 100, 100, 100, 110, 110]),
  );
  t.true(Math.abs(growth([1, 1, 1, 1, 100, 100, 110, 110]) - 0.1) < 1e-9);
  t.is(growth([5, 5, 100, NaN, 100, 100, 100]), 0);
  t.true(Number.isNaN(growth([100, 100, 100])));
});
