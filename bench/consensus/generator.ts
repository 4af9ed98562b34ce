/**
 * The process that makes the load: a number of clients, each with one put under way, spread over a few connections. One
 * process for each measurement, the same for every system, which also tells how much of a core it took itself: near 1 it
 * is the generator that was measured.
 */
import { percentile } from "../statistics.ts";
import { connectEtcd } from "./grpc.ts";
import { connectHttp, connectPeer } from "./idunno.ts";
import type { Putter, Target } from "./putter.ts";

export interface Load {
  readonly target: Target;
  readonly clients: number;
  readonly connections: number;
  /** Before anything counts: connections, compilation, first batches. */
  readonly warmMs: number;
  readonly runMs: number;
}

export interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of one core, taken by the generator. */
  readonly generatorShare: number;
}

export type FromGenerator =
  | { readonly kind: "measured"; readonly measured: Measured }
  | { readonly kind: "failed"; readonly message: string };

async function connectTo(target: Target): Promise<Putter> {
  switch (target.kind) {
    case "idunno-peer":
      return connectPeer(target);
    case "idunno-http":
      return connectHttp(target);
    case "etcd":
      return connectEtcd(target);
  }
}

async function run({ target, clients, connections, warmMs, runMs }: Load): Promise<Measured> {
  const putters = await Promise.all(
    Array.from({ length: connections }, async () => connectTo(target)),
  );
  const fromMs = performance.now() + warmMs;
  const toMs = fromMs + runMs;
  const latenciesMs: number[] = [];
  const client = async (putter: Putter, n: number): Promise<void> => {
    for (let key = n; ; key += clients) {
      const startMs = performance.now();
      if (startMs >= toMs) return;
      await putter.put(key);
      const endMs = performance.now();
      if (endMs >= fromMs && endMs < toMs) latenciesMs.push(endMs - startMs);
    }
  };
  let cpu = process.cpuUsage();
  const warm = setTimeout(() => (cpu = process.cpuUsage()), warmMs);
  await Promise.all(
    Array.from({ length: clients }, async (_, n) => {
      const putter = putters[n % putters.length];
      if (putter !== undefined) await client(putter, n);
    }),
  );
  clearTimeout(warm);
  const { user, system } = process.cpuUsage(cpu);
  await Promise.all(putters.map(async (putter) => putter[Symbol.asyncDispose]()));
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return {
    perSecond: (sorted.length / runMs) * 1_000,
    p50Ms: percentile(sorted, 50),
    p99Ms: percentile(sorted, 99),
    generatorShare: (user + system) / 1_000 / runMs,
  };
}

process.once("message", (load: Load) => {
  const answer = (message: FromGenerator): void => {
    process.send?.(message, () => process.disconnect());
  };
  run(load).then(
    (measured) => answer({ kind: "measured", measured }),
    (error: unknown) =>
      answer({ kind: "failed", message: error instanceof Error ? error.message : String(error) }),
  );
});
