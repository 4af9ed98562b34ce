/** Of the loop's delay: lateness is counted, the interval between looks is not. */
import test from "ava";
import type { Runtime } from "../../src/lib/runtime.ts";
import { LoopWatch, lookMs } from "../../src/node/loop-watch.ts";

/** A clock that is set by hand, and the one timer that looks at it. */
class HandClock implements Pick<Runtime, "every" | "now"> {
  #nowMs = 5;
  #look: (() => void) | undefined;

  now(): number {
    return this.#nowMs;
  }

  every(_ms: number, run: () => void): ReturnType<Runtime["every"]> {
    this.#look = run;
    return { cancel: () => (this.#look = undefined), restart: () => undefined };
  }

  /** @returns whether anybody looked */
  pass(ms: number): boolean {
    this.#nowMs += ms;
    this.#look?.();
    return this.#look !== undefined;
  }
}

const ms = (nanoseconds: number): number => Math.round(nanoseconds / 1e6);

test("punctual looks are no delay; a late one is by what it is late, and the next begins anew", (t) => {
  const clock = new HandClock();
  const watch = new LoopWatch(clock);
  for (let i = 0; i < 98; i += 1) clock.pass(lookMs);
  t.is(ms(watch.max), 0);
  clock.pass(lookMs + 300);
  t.is(ms(watch.max), 300);
  clock.pass(lookMs);
  t.is(ms(watch.percentile(50)), 0);
  t.is(ms(watch.percentile(99)), 0);
  t.is(ms(watch.percentile(100)), 300);
});

test("a look that comes early is no delay, and a closed watch looks no more", (t) => {
  const clock = new HandClock();
  const watch = new LoopWatch(clock);
  t.true(clock.pass(lookMs - 1));
  t.is(watch.max, 1);
  watch.close();
  t.false(clock.pass(lookMs));
});
