/** The best that the bare loop can do on this machine: a small search over threads and images of one run. */
import { availableParallelism } from "node:os";
import type { BareLoop } from "./bare.ts";

export interface BareSetup {
  readonly threads: number;
  readonly batch: number;
}

export interface BareFinding extends BareSetup {
  readonly perSecond: number;
}

/** More threads than cores may hide what a thread waits for; more than twice as many never were better here. */
export const mostThreads = 2 * availableParallelism();
const setups = {
  full: [availableParallelism(), mostThreads].flatMap((threads) =>
    [1, 2, 4, 8].map((batch) => ({ threads, batch })),
  ),
  quick: [1, 4].map((batch) => ({ threads: availableParallelism(), batch })),
} as const;
const runMs = { full: 3_000, quick: 500 } as const;

/** Measures each setup once. @param bare with {@link mostThreads} threads */
export async function searchBare(bare: BareLoop, pace: "full" | "quick"): Promise<BareFinding[]> {
  const found: BareFinding[] = [];
  for (const setup of setups[pace]) {
    const perSecond = await bare.rate({ ms: runMs[pace], ...setup });
    found.push({ ...setup, perSecond });
  }
  return found;
}

/** The fastest; of equals the first, which has fewer threads and smaller batches. */
export function bestOf(findings: readonly BareFinding[]): BareFinding {
  const [first, ...others] = findings;
  if (first === undefined) throw new TypeError("nothing has been measured");
  return others.reduce((best, each) => (each.perSecond > best.perSecond ? each : best), first);
}

/** Photos of a query: fewer are more work for whoever hands them out, more keep a slot from others for longer. */
const queryPhotos = { least: 16, most: 64 } as const;

/**
 * How many photos a query has, of the clusters as of BullMQ: about what a core decodes and infers in a second, as a power of two.
 * Of a light network that is more: what is done for each query is then as small beside it as with a heavy one.
 * @param perSecond images per second of the bare loop on all cores
 */
export function photosPerQuery(perSecond: number, cores: number): number {
  const near = 2 ** Math.round(Math.log2(perSecond / cores));
  return Math.min(queryPhotos.most, Math.max(queryPhotos.least, near));
}
