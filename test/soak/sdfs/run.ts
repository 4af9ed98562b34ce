/**
 * Seven real daemons, clients that put and read through all of them, and harm in rounds; in the end everything that was
 * acknowledged is compared byte by byte, on the disks too. What a run promises is in ledger.ts, how much harm at once in
 * faults.ts.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DevCluster } from "../../../src/cli/dev/cluster.ts";
import { logFile } from "../../../src/cli/dev/daemon.ts";
import type { IDunnoClient } from "../../../src/client/client.ts";
import { hasCode } from "../../../src/lib/errors.ts";
import { Random } from "../../../src/lib/random.ts";
import { digestOf, mib } from "./content.ts";
import { Counts } from "./counts.ts";
import { Faults } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { Load } from "./load.ts";
import { clientVia, fsck, goodCopies, locateAll, promisedCopies } from "./replicas.ts";
import { SmallDisks } from "./small-disks.ts";

const nodes = 7;
/** Nodes with a small disk: no more than may be harmed at once. */
const smallDisks = ["n5", "n6", "n7"];
/** Of a small disk: the reserve below which a node takes no more, with room for the log. */
const reservedMib = 224;
/** For one answer when the cluster is whole. */
const answerMs = 60_000;

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Size of a small disk. The contents of a run are so few that each fits. */
  readonly diskMib: number;
  readonly say: (text: string) => void;
  /** Ends the run after the round under way, with everything compared. */
  readonly signal?: AbortSignal;
}

export interface SoakFigures {
  readonly counts: Counts;
  /** Versions compared in the end, and their chunks on the disks. */
  readonly compared: number;
  readonly chunks: number;
  readonly fsck: string;
  /** Why no disk was filled. */
  readonly noFullDisks: string | undefined;
  /** Promises that were broken; none: all is well. */
  readonly violations: readonly string[];
}

export async function soak(options: SoakOptions): Promise<SoakFigures> {
  const { seed, diskMib, say } = options;
  const directory = await mkdtemp(join(tmpdir(), "idunno-chaos-"));
  const disks = await SmallDisks.mount(directory, { nodes: smallDisks, mebibytes: diskMib });
  if (disks.missing !== undefined) say(`no disk will be filled: ${disks.missing}`);
  let cluster: DevCluster | undefined;
  let isKept = false;
  try {
    cluster = await DevCluster.up({ directory, nodes, slots: 1, basePort: 0, readyMs: 120_000 });
    say(`seed ${seed}: ${nodes} nodes are up in ${directory}`);
    const figures = await run(cluster, disks, options);
    isKept = figures.violations.length > 0;
    return figures;
  } catch (error) {
    isKept = true;
    throw error;
  } finally {
    await cluster?.down({ stopMs: isKept ? 0 : 5_000 });
    if (isKept) await keepLogs(directory, say);
    disks.unmount();
    await rm(directory, { recursive: true, force: true });
  }
}

async function run(
  cluster: DevCluster,
  disks: SmallDisks,
  { seed, minutes, diskMib, say, signal }: SoakOptions,
): Promise<SoakFigures> {
  const random = new Random(seed);
  const ledger = new Ledger({ now: () => performance.now(), copies: promisedCopies });
  const counts = new Counts();
  const startMs = performance.now();
  const runMs = minutes * 60_000;
  const allBytes = (diskMib - reservedMib) * mib;
  const load = new Load(
    {
      seed,
      nodes: cluster.nodes.map(({ httpAddress }) => httpAddress),
      // Long contents until the end, and one of each length from the beginning.
      allowance: () => Math.min(allBytes, allBytes * (0.2 + (performance.now() - startMs) / runMs)),
    },
    { ledger, counts },
  );
  const copies = promisedCopies;
  const faults = new Faults({ random, copies }, { cluster, disks, ledger, counts, say });
  try {
    const isOver = (): boolean =>
      performance.now() - startMs >= runMs ||
      ledger.violations.length > 0 ||
      signal?.aborted === true;
    while (!isOver()) await faults.round();
  } finally {
    await load.stop();
  }
  const { compared, chunks } = await compareAll(cluster, ledger, random);
  const verdict = await fsck(cluster, { paths: ledger.paths, copies });
  if (!verdict.healthy) ledger.violations.push(`fsck: ${verdict.said}`);
  const { violations } = ledger;
  return { counts, compared, chunks, fsck: verdict.said, noFullDisks: disks.missing, violations };
}

/** Every version that is kept, byte by byte, each through a node of its own; and its chunks on the disks. */
async function compareAll(
  cluster: DevCluster,
  ledger: Ledger,
  random: Random,
): Promise<{ readonly compared: number; readonly chunks: number }> {
  const anyone = (): IDunnoClient =>
    clientVia(random.pick(cluster.nodes)?.httpAddress ?? "", answerMs);
  let compared = 0;
  for (const path of ledger.paths) {
    const startMs = performance.now();
    const versions = await versionsOf(anyone(), path);
    ledger.readVersions(path, startMs, versions);
    for (const version of versions) {
      const readMs = performance.now();
      const { body } = await anyone().getFile(path, { version });
      ledger.readVersion(path, version, readMs, { version, digest: await digestOf(body) });
      compared += 1;
    }
  }
  const files = await locateAll(anyone(), ledger.paths);
  const chunks = new Set(files.flatMap((file) => file.chunks.map(({ hash }) => hash)));
  for (const hash of chunks) {
    const good = await goodCopies(cluster, hash);
    if (good.length < promisedCopies)
      ledger.violations.push(`chunk ${hash} is whole on ${good.length} disks only: ${good.join()}`);
  }
  return { compared, chunks: chunks.size };
}

async function versionsOf(client: IDunnoClient, path: string): Promise<number[]> {
  try {
    return (await client.versions(path)).map(({ version }) => version);
  } catch (error) {
    if (hasCode(error, "NOT_FOUND")) return [];
    throw error;
  }
}

/** What the daemons said last is worth most when something was wrong. */
async function keepLogs(directory: string, say: (text: string) => void): Promise<void> {
  for (let n = 1; n <= nodes; n += 1) {
    const text = await readFile(logFile(directory, `n${n}`), "utf8").catch(() => "");
    say(`--- n${n}\n${text.slice(-4_000)}`);
  }
}
