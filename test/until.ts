/** Waits for what no promise tells, in tests: processes, sockets and counters that nobody announces. */
import { setTimeout as sleep } from "node:timers/promises";

export interface UntilOptions {
  /** Far above need. Default: 60 s. */
  readonly withinMs?: number;
  /** Pause between two looks. Default: 5 ms. */
  readonly everyMs?: number;
}

/** Looks again and again until it is so; fails the test when it does not come. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { withinMs = 60_000, everyMs = 5 }: UntilOptions = {},
): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`${what}: not so within ${withinMs} ms`);
    await sleep(everyMs);
  }
}
