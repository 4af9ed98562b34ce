/** A catalog of very many files: how fast they come in, how long a page of them takes, what memory they need. */
import type { BulkFile } from "../../src/client/client.ts";
import type { BenchContext } from "../bench.ts";
import type { BenchCluster } from "../cluster.ts";
import { type Figures, figure } from "../report.ts";
import { median, percentile } from "../statistics.ts";

/** Files of a commit: the most that one may have. */
const groupFiles = 1_000;
/** Groups on their way at once. */
const atOnce = 2;
const pages = 200;
const MiB = 1024 * 1024;
/** MiB of the largest daemon. */
const target = { atMost: 300 } as const;

function nameOf(n: number): string {
  const text = String(n).padStart(7, "0");
  return `catalog/${text.slice(0, 4)}/${text}`;
}

/** Empty files: their rows are what is measured, and need no disk. */
function group(from: number, count: number): BulkFile[] {
  const nothing = new Uint8Array(0);
  return Array.from({ length: count }, (_, i) => ({
    path: nameOf(from + i),
    bytes: 0,
    read: async () => nothing,
  }));
}

export async function catalog(
  { say, signal }: BenchContext,
  cluster: BenchCluster,
  { files }: { readonly files: number },
): Promise<Figures> {
  const { leader } = await cluster.healthy();
  const client = cluster.client(leader);
  const startMs = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < files) {
      signal.throwIfAborted();
      const from = next;
      next += groupFiles;
      await client.putFiles(group(from, Math.min(groupFiles, files - from)));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const perSecond = (files * 1_000) / (performance.now() - startMs);
  const pageMs: number[] = [];
  for (let n = 0; n < pages; n += 1) {
    const after = nameOf(Math.floor(Math.random() * files));
    const pageStartMs = performance.now();
    await client.list({ prefix: "catalog/", after, limit: 1_000 });
    pageMs.push(performance.now() - pageStartMs);
  }
  const resident = await Promise.all(
    cluster.names.map(async (name) => (await cluster.client(name).status()).residentBytes),
  );
  const most = Math.max(...resident) / MiB;
  say(
    `${files.toLocaleString("en")} files: ${perSecond.toFixed(0)} files/s in, a page of 1,000 ${median(pageMs).toFixed(1)} ms (p99 ${percentile(pageMs, 99).toFixed(1)}), resident MiB ${resident.map((each) => (each / MiB).toFixed(0)).join(", ")}`,
  );
  return {
    "catalog.files": figure(files, "files"),
    "catalog.filesPerSecond": figure(perSecond, "files/s"),
    "catalog.pageMedianMs": figure(median(pageMs), "ms"),
    "catalog.pageP99Ms": figure(percentile(pageMs, 99), "ms"),
    "catalog.residentMiB": figure(most, "MiB", target),
  };
}
