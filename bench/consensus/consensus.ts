/**
 * How fast the cluster decides, beside etcd on the same machine: three voters each on loopback, every decision on the
 * disks of a majority before it is answered, values of 256 bytes, one put under way for each client. Both clusters run the
 * whole time and are measured in turns, since a machine's speed drifts; the load comes from a process of its own.
 */
import type { BenchContext } from "../bench.ts";
import { BenchCluster } from "../cluster.ts";
import { syncMs } from "../machine.ts";
import { type Figures, figure } from "../report.ts";
import { median } from "../statistics.ts";
import { table } from "../table.ts";
import { EtcdCluster } from "./etcd.ts";
import { history } from "./history.ts";
import { measure } from "./load.ts";
import type { Target } from "./putter.ts";
import { type Level, levels, type Result, saturated, summarise, type System } from "./summary.ts";

const voters = 3;
const rounds = { full: 3, quick: 1 } as const;
const runMs = { full: 5_000, quick: 1_500 } as const;
const warmMs = { full: 1_000, quick: 400 } as const;
/** Clients that share a connection: a node's clients share its one lane to the leader, and etcd's those of its library. */
const clientsPerConnection = 16;
/** Writes of the probe of the disk. */
const probes = 200;
const MiB = 1024 * 1024;

interface Stage {
  readonly cluster: BenchCluster;
  readonly etcd: EtcdCluster | undefined;
}

export async function consensus(context: BenchContext): Promise<Figures> {
  const { quick, trials, scope, signal, say } = context;
  const diskMs = await syncMs(probes);
  say(`4 KiB and fdatasync: ${diskMs.toFixed(2)} ms, median of ${probes}`);
  const version = await EtcdCluster.version();
  if (version === undefined)
    say(
      "etcd is not on the PATH, so there is nothing to compare with: not measured. Debian: apt-get install etcd-server",
    );
  else say(version);
  const cluster = scope.use(await BenchCluster.up({ nodes: voters, slots: 1, signal }));
  const etcd = version === undefined ? undefined : scope.use(await EtcdCluster.up(voters, signal));
  await cluster.healthy();
  const results: Result[] = [];
  const count = trials ?? (quick ? rounds.quick : rounds.full);
  for (let round = 0; round < count; round += 1)
    for (const level of levels)
      results.push(...(await measureLevel(context, { cluster, etcd }, { level, round })));
  const { figures, rows } = summarise(results);
  const head = ["clients", "commits/s", "p50 ms", "p99 ms", "× etcd", "generator, cores"];
  say(`\n${table(head, rows)}`);
  if (results.some(({ generatorShare }) => generatorShare > saturated))
    say(`some generators took over ${saturated} of a core: those rates may be theirs`);
  const memory = await residentMemory(context, { cluster, etcd });
  await cluster[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
  return { diskMs: figure(diskMs, "ms"), ...figures, ...memory, ...(await history(context)) };
}

/** Every system once, in an order that changes from round to round. */
async function measureLevel(
  { quick, signal, say }: BenchContext,
  stage: Stage,
  { level, round }: { readonly level: Level; readonly round: number },
): Promise<Result[]> {
  const order: readonly System[] =
    round % 2 === 0 ? ["etcd", "peer", "http"] : ["http", "peer", "etcd"];
  const results: Result[] = [];
  for (const system of order) {
    const target = await targetOf(system, stage, signal);
    if (target === undefined) continue;
    const pace = quick ? "quick" : "full";
    const connections = Math.ceil(level / clientsPerConnection);
    const load = { target, clients: level, connections };
    const times = { warmMs: warmMs[pace], runMs: runMs[pace] };
    const measured = await measure({ ...load, ...times }, signal);
    results.push({ level, system, ...measured });
  }
  const shown = results.map(
    ({ system, perSecond, p50Ms }) => `${system} ${perSecond.toFixed(0)} (${p50Ms.toFixed(2)} ms)`,
  );
  say(`round ${round + 1}, ${level} clients, commits/s (p50): ${shown.join(", ")}`);
  return results;
}

/** The leader of the moment: of IDunno's cluster as of etcd's. */
async function targetOf(
  system: System,
  { cluster, etcd }: Stage,
  signal: AbortSignal,
): Promise<Target | undefined> {
  if (system === "etcd")
    return etcd === undefined ? undefined : { kind: "etcd", ...(await etcd.leader(signal)) };
  const { leader } = await cluster.healthy();
  const status = await cluster.client(leader).status();
  const member = status.members.find(({ node }) => node === leader);
  const address = system === "peer" ? member?.peerAddress : member?.httpAddress;
  const [host = "", port = ""] = address?.split(":") ?? [];
  return system === "http"
    ? { kind: "idunno-http", host, port: Number(port) }
    : {
        kind: "idunno-peer",
        host,
        port: Number(port),
        leader,
        cluster: status.cluster,
        generation: status.generation,
      };
}

async function residentMemory({ say }: BenchContext, { cluster, etcd }: Stage): Promise<Figures> {
  const { leader } = await cluster.healthy();
  const mine = await Promise.all(
    cluster.names.map(async (name) => (await cluster.client(name).status()).residentBytes),
  );
  const leaders = mine[cluster.names.indexOf(leader)] ?? NaN;
  const theirs = (await etcd?.residentBytes()) ?? [];
  const shown = (bytes: readonly number[]): string =>
    bytes.map((each) => (each / MiB).toFixed(0)).join(", ");
  say(`resident memory afterwards, MiB: IDunno ${shown(mine)} (leader ${shown([leaders])})`);
  if (theirs.length > 0) say(`resident memory afterwards, MiB: etcd ${shown(theirs)}`);
  return {
    "memory.leaderMiB": figure(leaders / MiB, "MiB"),
    "memory.medianMiB": figure(median(mine) / MiB, "MiB"),
    "memory.etcdMedianMiB": figure(median(theirs) / MiB, "MiB"),
  };
}
