/** What every benchmark is given, and how it waits: always for a condition, never for ever, and not after Ctrl-C. */
import { setTimeout as sleep } from "node:timers/promises";
import { IDunnoError } from "../src/lib/errors.ts";
import type { Scope } from "../src/lib/scope.ts";
import type { Figures } from "./report.ts";

export interface BenchContext {
  /** A rough answer in under 50 s. */
  readonly quick: boolean;
  /** Trials or rounds, when the user says how many. */
  readonly trials: number | undefined;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Closed at the end whatever happens: every process that a benchmark starts belongs here. */
  readonly scope: Scope;
  /** Tells a person how it goes. */
  readonly say: (text: string) => void;
  /** Where results, and the logs of what failed, are put. */
  readonly resultsDirectory: string;
}

export type Bench = (context: BenchContext) => Promise<Figures>;

export interface UntilOptions {
  /** For the error when it never comes. */
  readonly what: string;
  readonly withinMs: number;
  /** Pause between two looks. */
  readonly everyMs: number;
  readonly signal: AbortSignal;
}

/** Looks again and again until there is something. @throws TIMED_OUT */
export async function until<T>(
  { what, withinMs, everyMs, signal }: UntilOptions,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    signal.throwIfAborted();
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() >= endMs) throw new IDunnoError("TIMED_OUT", { what, afterMs: withinMs });
    await sleep(everyMs, undefined, { signal });
  }
}

/** A pause of up to `mostMs`: kills must not fall into step with heartbeats. */
export async function jitter(mostMs: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.random() * mostMs, undefined, { signal });
}
