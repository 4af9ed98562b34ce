/** Waits that end: by what they wait for, by a signal, or by the clock. */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { IDunnoError } from "../lib/errors.ts";

/** A signal with a clock: {@link renew} sets it back, for work that shows progress. */
export interface Deadline extends AbortSignal, Disposable {
  renew(): void;
}

/** A signal that aborts with TIMED_OUT after `ms`, or with whatever `parent` aborts with. */
export function deadline(what: string, ms: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  // One request may wait for many chunks at once, each of which listens: that is no leak.
  setMaxListeners(0, controller.signal);
  const timer = setTimeout(
    () => controller.abort(new IDunnoError("TIMED_OUT", { what, afterMs: ms })),
    ms,
  );
  const follow = (): void => controller.abort(parent?.reason);
  if (parent?.aborted === true) follow();
  else parent?.addEventListener("abort", follow, { once: true });
  return Object.assign(controller.signal, {
    renew: () => void timer.refresh(),
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      parent?.removeEventListener("abort", follow);
    },
  });
}

/** Resolves after `ms`, or at once when the signal aborts; the caller looks at the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** The promise, or a rejection with the signal's reason, whichever comes first. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (abort !== undefined) signal.removeEventListener("abort", abort);
  }
}
