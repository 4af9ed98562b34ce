/** Waits for a promise no longer than its caller wants to. */
import { IDunnoError } from "../lib/errors.ts";

/** What `setTimeout` can count; above, it fires at once. */
const longestTimerMs = 2 ** 31 - 1;

export interface Patience {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The promise's outcome. The work itself goes on when its caller stops waiting.
 * @param what names the work in the error
 * @throws IDunnoError TIMED_OUT, or CLOSED (cause: the signal's reason) when the signal aborts
 */
export function within<T>(
  work: Promise<T>,
  what: string,
  { timeoutMs, signal }: Patience,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      settle();
      reject(new IDunnoError("CLOSED", { what }, { cause: signal?.reason }));
    };
    const timer = setTimeout(
      () => {
        settle();
        reject(new IDunnoError("TIMED_OUT", { what, afterMs: timeoutMs }));
      },
      Math.min(timeoutMs, longestTimerMs),
    );
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    work.finally(settle).then(resolve, reject);
  });
}
