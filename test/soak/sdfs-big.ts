/**
 * `npm run soak:sdfs-big -- --gib 5`: puts one long file through one node and gets it through another, and prints
 * the most memory that any daemon had meanwhile, which must not grow with the file. Needs five times the space on disk.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DevCluster } from "../../src/cli/dev/cluster.ts";
import { parsed, wholeNumber } from "../arguments.ts";
import { type Content, digestOf, mib, sha256Of, streamOf } from "./sdfs/content.ts";
import { clientVia } from "./sdfs/replicas.ts";

/** Between two looks at the memory. */
const lookMs = 200;
/** Without an answer, and without a piece of the file. */
const silenceMs = 120_000;

const usage = "usage: npm run soak:sdfs-big -- [--gib N] [--nodes N]";
const values = parsed(
  { gib: { type: "string", default: "5" }, nodes: { type: "string", default: "5" } },
  usage,
);
const bytes = wholeNumber({ name: "gib", value: values.gib, least: 1 }, usage) * 1024 * mib;
const nodes = wholeNumber({ name: "nodes", value: values.nodes, least: 2 }, usage);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Resident memory of each daemon in MiB, without its executor. Linux only. */
async function residentMib(cluster: DevCluster): Promise<number[]> {
  return Promise.all(
    cluster.nodes.map(async ({ pid }) => {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
    }),
  );
}

/** The most that any daemon had while the work went on, and how long that took. */
async function watched(
  cluster: DevCluster,
  work: () => Promise<unknown>,
): Promise<{ readonly mostMib: number; readonly seconds: number }> {
  const startMs = performance.now();
  const ended = new AbortController();
  let mostMib = 0;
  const watching = (async () => {
    while (!ended.signal.aborted) {
      mostMib = Math.max(mostMib, ...(await residentMib(cluster)));
      await sleep(lookMs);
    }
  })();
  try {
    await work();
  } finally {
    ended.abort();
    await watching;
  }
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  return { mostMib: Math.round(mostMib), seconds };
}

async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-big-"));
  const cluster = await DevCluster.up({ directory, nodes, slots: 1, basePort: 0, readyMs: 90_000 });
  try {
    // Every chunk has its own content.
    const content: Content = { seed: 1, tail: 2, bytes };
    const idleMib = Math.round(Math.max(...(await residentMib(cluster))));
    const [first, last] = [cluster.nodes[0], cluster.nodes.at(-1)];
    const put = await watched(cluster, async () =>
      clientVia(first?.httpAddress ?? "", silenceMs).putFile("big.bin", {
        kind: "reopen",
        open: () => streamOf(content),
      }),
    );
    say(`put ${values.gib} GiB in ${put.seconds} s; the largest daemon had ${put.mostMib} MiB`);
    let sha256 = "";
    const get = await watched(cluster, async () => {
      const { body } = await clientVia(last?.httpAddress ?? "", silenceMs).getFile("big.bin");
      ({ sha256 } = await digestOf(body));
    });
    say(`got it in ${get.seconds} s; the largest daemon had ${get.mostMib} MiB`);
    const passed = sha256 === sha256Of(content);
    say(JSON.stringify({ bytes, nodes, idleMib, put, get, passed }));
    if (!passed) process.exitCode = 1;
  } finally {
    await cluster.down({ stopMs: 10_000, wipe: true });
    await rm(directory, { recursive: true, force: true });
  }
}

await run();
