/** A real process's timers: what comes in which order, and what does not come. How long it takes is nobody's test. */
import test from "ava";
import { systemRuntime } from "../../src/node/system-runtime.ts";

const after = (ms: number, run: () => void) => systemRuntime.after(ms, run);
const every = (ms: number, run: () => void) => systemRuntime.every(ms, run);
const now = (): number => systemRuntime.now();

test("a timer never comes too early", async (t) => {
  for (const ms of [0, 0.2, 1, 3.7, 10.01]) {
    const from = now();
    await new Promise<void>((resolve) => void after(ms, resolve));
    t.true(now() - from >= ms, `${now() - from} of ${ms}`);
  }
});

test("what has a period, or a part of it, comes in one turn of the loop", async (t) => {
  const turns: Record<"short" | "long", Set<number>> = { short: new Set(), long: new Set() };
  let turn = 0;
  const note = (name: keyof typeof turns) => (): void => {
    turns[name].add(turn);
    setImmediate(() => (turn += 1));
  };
  const timers = [every(20, note("short"))];
  await new Promise<void>((resolve) => void after(7, resolve));
  await new Promise<void>((resolve) => {
    const long = note("long");
    timers.push(
      every(60, () => {
        long();
        if (turns.long.size === 3) resolve();
      }),
    );
  });
  for (const timer of timers) timer.cancel();
  const together = [...turns.long].filter((each) => turns.short.has(each));
  t.true(together.length > 0, JSON.stringify([[...turns.short], [...turns.long]]));
});

test("a period that was cancelled calls no more, also from within; restarting does not wake it", async (t) => {
  let calls = 0;
  await new Promise<void>((resolve) => {
    const timer = every(1, () => {
      calls += 1;
      if (calls < 3) return;
      timer.cancel();
      timer.restart();
      after(10, resolve);
    });
    timer.restart();
  });
  t.is(calls, 3);
});
