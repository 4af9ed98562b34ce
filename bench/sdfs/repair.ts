/** From the kill of a node until the catalog lists enough live copies of every chunk that it held again. */
import type { BenchContext } from "../bench.ts";
import { until } from "../bench.ts";
import type { BenchCluster } from "../cluster.ts";
import { type Figures, figure } from "../report.ts";
import { median } from "../statistics.ts";
import { MB, refill, sourceOf } from "./content.ts";

const megabytes = 40;
const copies = 4;
/** Detection, the wait for a node that may come back (10 s), and the copying. */
const repairedMs = 120_000;

export async function repair(
  { say, signal }: BenchContext,
  cluster: BenchCluster,
  { rounds }: { readonly rounds: number },
): Promise<Figures> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const { leader } = await cluster.healthy();
    const bytes = new Uint8Array(megabytes * MB);
    refill(bytes);
    const path = `bench/repair/${round}`;
    await cluster.client(leader).putFile(path, sourceOf(bytes));
    const { chunks } = await cluster.client(leader).locate(path);
    const holders = chunks.flatMap(({ replicas }) => replicas.map(({ node }) => node));
    const victim = cluster.names.find((name) => name !== leader && holders.includes(name));
    if (victim === undefined) throw new Error("unreachable: four of five nodes hold each chunk");
    const startMs = performance.now();
    await cluster.signalNode(victim, "SIGKILL");
    const client = cluster.client(leader);
    const what = "re-replication";
    await until({ what, withinMs: repairedMs, everyMs: 20, signal }, async () => {
      // Only when the death was noticed does the list say anything: so that is asked first.
      const members = await client.members();
      const noticed = members.some(({ node, state }) => node === victim && state === "down");
      const view = await client.locate(path);
      const live = view.chunks.map(
        ({ replicas }) => replicas.filter(({ state }) => state === "up").length,
      );
      return noticed && live.every((count) => count >= copies) ? true : undefined;
    });
    times.push(performance.now() - startMs);
    say(
      `${megabytes} MB have ${copies} live copies again after ${((times.at(-1) ?? NaN) / 1_000).toFixed(1)} s`,
    );
    if (round + 1 < rounds) await cluster.restart(victim);
  }
  return { "repair40MB.seconds": figure(median(times) / 1_000, "s") };
}
