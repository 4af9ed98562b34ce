/** Waits that end: by what they wait for, by a signal, or by the clock. */
import { setMaxListeners } from "node:events";
import { IDunnoError } from "../lib/errors.ts";
import type { Runtime } from "../lib/runtime.ts";

/** A signal with a clock: {@link renew} sets it back, for work that shows progress. */
export interface Deadline extends AbortSignal, Disposable {
  renew(): void;
}

/** A controller to whose signal as much listens as is under way: one request may wait for many chunks. That is no leak. */
export function sharedAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** A signal that aborts with TIMED_OUT after `ms`, or with whatever `parent` aborts with. */
export function deadline(
  runtime: Runtime,
  what: string,
  ms: number,
  parent?: AbortSignal,
): Deadline {
  const controller = sharedAbort();
  const timer = runtime.after(ms, () =>
    controller.abort(new IDunnoError("TIMED_OUT", { what, afterMs: ms })),
  );
  const follow = (): void => controller.abort(parent?.reason);
  if (parent?.aborted === true) follow();
  else parent?.addEventListener("abort", follow, { once: true });
  return Object.assign(controller.signal, {
    renew: () => timer.restart(),
    [Symbol.dispose]: () => {
      timer.cancel();
      parent?.removeEventListener("abort", follow);
    },
  });
}

/** Resolves after `ms`, or at once when the signal aborts; the caller looks at the signal. */
export async function pause(runtime: Runtime, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = runtime.after(ms, end);
    signal.addEventListener("abort", end, { once: true });
  });
}

/** Lets the loop turn once. */
export async function nextTurn(runtime: Runtime): Promise<void> {
  await new Promise<void>((resolve) => runtime.soon(resolve));
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
