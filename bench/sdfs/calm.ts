/** What a large put does to everybody else: commits and answers of the leader while it runs, beside the same when idle. */
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchContext } from "../bench.ts";
import type { BenchCluster } from "../cluster.ts";
import { type Figures, figure } from "../report.ts";
import { percentile } from "../statistics.ts";
import { MB, refill, sourceOf } from "./content.ts";

/** Between two probes: far more than one takes, so that they are no load. */
const everyMs = 10;
const target = { atMost: 5 } as const;

interface Probes {
  /** Of a setting that is set through the leader, in ms. */
  readonly commits: readonly number[];
  /** Of `GET /livez`, for which the loop has to come round and nothing else, in ms. */
  readonly turns: readonly number[];
}

export async function calm(
  { say, signal }: BenchContext,
  cluster: BenchCluster,
  { megabytes, idleMs }: { readonly megabytes: number; readonly idleMs: number },
): Promise<Figures> {
  const { leader, term } = await cluster.healthy();
  const gateway = cluster.names.find((name) => name !== leader) ?? leader;
  const bytes = new Uint8Array(megabytes * MB);
  refill(bytes);
  const idle = await probe(cluster, leader, sleep(idleMs, undefined, { signal }));
  const put = cluster.client(gateway).putFile("bench/calm", sourceOf(bytes));
  const busy = await probe(cluster, leader, put);
  const after = await cluster.healthy();
  const elections = after.term - term;
  const p99 = (values: readonly number[]): number => percentile(values, 99);
  const commits = p99(busy.commits) / p99(idle.commits);
  const turns = p99(busy.turns) / p99(idle.turns);
  say(
    `leader while ${megabytes} MB are put, p99 ms (idle): commit ${p99(busy.commits).toFixed(1)} (${p99(idle.commits).toFixed(1)}), an answer that needs no work ${p99(busy.turns).toFixed(1)} (${p99(idle.turns).toFixed(1)}); ${elections} elections`,
  );
  return {
    "calm.commitP99Ms": figure(p99(busy.commits), "ms"),
    "calm.idleCommitP99Ms": figure(p99(idle.commits), "ms"),
    "calm.commitRatio": figure(commits, "× idle", target),
    "calm.loopP99Ms": figure(p99(busy.turns), "ms"),
    "calm.idleLoopP99Ms": figure(p99(idle.turns), "ms"),
    "calm.loopRatio": figure(turns, "× idle", target),
    "calm.elections": figure(elections, "elections", { atMost: 0 }),
  };
}

async function probe(
  cluster: BenchCluster,
  leader: string,
  during: Promise<unknown>,
): Promise<Probes> {
  const client = cluster.client(leader);
  let isOver = false;
  const end = during.finally(() => (isOver = true));
  const again = async (work: (n: number) => Promise<unknown>): Promise<number[]> => {
    const times: number[] = [];
    for (let n = 0; !isOver; n += 1) {
      const startMs = performance.now();
      await work(n);
      times.push(performance.now() - startMs);
      await sleep(everyMs);
    }
    return times;
  };
  const url = `http://${client.current}/livez`;
  const idempotencyKey = async (): Promise<string> => client.newKey();
  const [commits, turns] = await Promise.all([
    again(async (n) =>
      client.set("x-bench", String(n), { idempotencyKey: await idempotencyKey() }),
    ),
    again(async () => (await fetch(url)).text()),
    end,
  ]);
  return { commits, turns };
}
