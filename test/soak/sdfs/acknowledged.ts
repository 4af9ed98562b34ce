/**
 * The instant after an acknowledgement: a put answers, and before anything else happens three of seven nodes are killed,
 * those that hold its copies first of all. What was acknowledged is read from the survivors, byte by byte; then the dead
 * ones start again, and the next try begins when everything has its copies.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DevCluster } from "../../../src/cli/dev/cluster.ts";
import { IDunnoClient } from "../../../src/client/client.ts";
import { Random } from "../../../src/lib/random.ts";
import { chunksOf, type Content, digestOf, mib, sha256Of, streamOf } from "./content.ts";
import { clientVia, holders, lacking, promisedCopies } from "./replicas.ts";

const nodes = 7;
const killedAtOnce = 3;
/** How long an election and a read may take, and how long a put. */
const readMs = 60_000;
/** How long the dead may take to be back with all their copies. */
const mendMs = 180_000;
const lookMs = 100;

export interface AcknowledgedOptions {
  readonly tries: number;
  readonly seed: number;
  readonly say: (text: string) => void;
  /** Ends the run after the try under way. */
  readonly signal?: AbortSignal;
}

export interface AcknowledgedFigures {
  readonly tries: number;
  readonly failures: readonly string[];
  /** Tries in which the leader, the node that answered, and three of some chunk's four holders were among the dead. */
  readonly leaderKilled: number;
  readonly answererKilled: number;
  readonly holdersKilled: number;
  /** Medians, in ms: from the kill until all bytes were read, and until everything was whole again. */
  readonly readMsMedian: number;
  readonly wholeMsMedian: number;
}

interface Tally {
  readonly failures: string[];
  leaderKilled: number;
  answererKilled: number;
  holdersKilled: number;
  readonly readMs: number[];
  readonly wholeMs: number[];
}

export async function killAfterAcknowledgement(
  options: AcknowledgedOptions,
): Promise<AcknowledgedFigures> {
  const { tries, seed, say, signal } = options;
  const directory = await mkdtemp(join(tmpdir(), "idunno-acknowledged-"));
  const cluster = await DevCluster.up({
    directory,
    nodes,
    slots: 1,
    basePort: 0,
    readyMs: 120_000,
  });
  const random = new Random(seed);
  const tally: Tally = {
    failures: [],
    leaderKilled: 0,
    answererKilled: 0,
    holdersKilled: 0,
    readMs: [],
    wholeMs: [],
  };
  try {
    say(`seed ${seed}: ${nodes} nodes are up`);
    for (let n = 1; n <= tries && signal?.aborted !== true; n += 1)
      await oneTry(cluster, { n, random, say }, tally);
  } finally {
    await cluster.down({ stopMs: 0, wipe: true });
    await rm(directory, { recursive: true, force: true });
  }
  const { failures, leaderKilled, answererKilled, holdersKilled } = tally;
  return {
    tries: tally.readMs.length,
    failures,
    leaderKilled,
    answererKilled,
    holdersKilled,
    readMsMedian: median(tally.readMs),
    wholeMsMedian: median(tally.wholeMs),
  };
}

async function oneTry(
  cluster: DevCluster,
  { n, random, say }: { n: number; random: Random; say: AcknowledgedOptions["say"] },
  tally: Tally,
): Promise<void> {
  const fail = (what: string): void => {
    tally.failures.push(what);
    say(`FAILED ${what}`);
  };
  const isSmall = random.chance(2, 3);
  const bytes = isSmall ? random.between(1, 64 * 1024) : random.between(4 * mib, 14 * mib);
  const content: Content = { seed: random.next(), tail: random.next(), bytes };
  const path = `acknowledged/${n}`;
  const wanted = sha256Of(content);
  const chunk = random.pick(chunksOf(content)) ?? "";
  const all = cluster.nodes;
  const asked = random.pick(all);
  const { leader } = await clientVia(asked?.httpAddress ?? "", readMs).status();
  // Drawn before, so that nothing has to be thought about in the instant that counts.
  const order = all
    .map(({ name }) => ({ name, place: random.next() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ name }) => name);
  const prefersHolders = random.chance(4, 5);
  const source = { kind: "reopen", open: () => streamOf(content) } as const;
  const { version } = await clientVia(asked?.httpAddress ?? "", readMs).putFile(path, source);
  const holding = new Set(holders(cluster, chunk));
  const first = prefersHolders ? order.filter((name) => holding.has(name)) : [];
  const victims = [...new Set([...first, ...order])].slice(0, killedAtOnce);
  const killing = victims.map(async (name) => cluster.kill(name, "SIGKILL"));
  const killedMs = performance.now();
  await Promise.all(killing);
  tally.leaderKilled += victims.includes(leader ?? "") ? 1 : 0;
  tally.answererKilled += victims.includes(asked?.name ?? "") ? 1 : 0;
  tally.holdersKilled += victims.every((name) => holding.has(name)) ? 1 : 0;
  try {
    const survivors = new IDunnoClient({ nodes: cluster.endpoints, timeoutMs: readMs });
    const { file, body } = await survivors.getFile(path);
    const { sha256 } = await digestOf(body);
    if (sha256 !== wanted || file.version !== version)
      fail(`${path}@${version}: @${file.version} came, with ${sha256}`);
  } catch (error) {
    fail(`${path}@${version} (${bytes} bytes), ${victims.join()} dead: ${String(error)}`);
  }
  tally.readMs.push(performance.now() - killedMs);
  await Promise.all(victims.map(async (name) => cluster.restart(name)));
  await whole(cluster, path);
  tally.wholeMs.push(performance.now() - killedMs);
  if (n % 10 === 0) say(`${n} tries, ${tally.failures.length} failures`);
}

/** Waits until all are up and the file has its copies on them. */
async function whole(cluster: DevCluster, path: string): Promise<void> {
  const client = new IDunnoClient({ nodes: cluster.endpoints, timeoutMs: readMs });
  const endMs = performance.now() + mendMs;
  for (;;) {
    const away = (await client.members()).filter(({ state }) => state !== "up");
    const few = lacking([await client.locate(path)], promisedCopies);
    if (away.length === 0 && few.length === 0) return;
    if (performance.now() > endMs)
      throw new Error(
        `not whole after ${mendMs} ms: ${[...away.map(({ node }) => `${node} away`), ...few].join(", ")}`,
      );
    await sleep(lookMs);
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
}
