/**
 * SDFS beside what the machine does without it: five nodes on loopback, four copies of everything. Whole files against
 * four synced local copies and `sha256sum`, small files, versions, repair, a very large catalog, what a put does to the
 * leader, and the same files in the object store of NATS JetStream where there is one.
 */
import type { IDunnoClient } from "../../src/client/client.ts";
import type { BenchContext } from "../bench.ts";
import { BenchCluster } from "../cluster.ts";
import type { Figures } from "../report.ts";
import { calm } from "./calm.ts";
import { catalog } from "./catalog.ts";
import { MB, refill, sourceOf } from "./content.ts";
import { nats } from "./nats.ts";
import { repair } from "./repair.ts";
import { smallFiles } from "./small-files.ts";
import { readVerified, transfers } from "./transfers.ts";
import { versions } from "./versions.ts";

const nodes = 5;
const warmMegabytes = 40;

const full = {
  large: { megabytes: 500, rounds: 3 },
  medium: { megabytes: 25, rounds: 7 },
  small: { files: 2_000, rounds: 3 },
  versions: { rounds: 20 },
  calm: { megabytes: 500, idleMs: 10_000 },
  repair: { rounds: 3 },
  catalog: { files: 1_000_000 },
} as const;

/** Under 50 s in all, most of which is the start of the cluster and the wait before repair. */
const quick = {
  large: { megabytes: 50, rounds: 1 },
  medium: { megabytes: 25, rounds: 1 },
  small: { files: 200, rounds: 1 },
  versions: { rounds: 2 },
  calm: { megabytes: 50, idleMs: 1_000 },
  repair: { rounds: 1 },
  catalog: { files: 4_000 },
} as const;

/** Both ways once, unmeasured: the first chunks wait for compilers and connections. */
async function warmUp(client: IDunnoClient): Promise<void> {
  const bytes = new Uint8Array(warmMegabytes * MB);
  refill(bytes);
  await client.putFile("bench/warm", sourceOf(bytes));
  await readVerified(client, "bench/warm");
}

export async function sdfs(context: BenchContext): Promise<Figures> {
  const { scope, signal, trials } = context;
  const plan = context.quick ? quick : full;
  const rounds = trials === undefined ? {} : { rounds: trials };
  const cluster = scope.use(await BenchCluster.up({ nodes, slots: 1, signal }));
  const { leader } = await cluster.healthy();
  // Through a node that does not lead, as four clients of five would come.
  const gateway = cluster.client(cluster.names.find((name) => name !== leader) ?? leader);
  await warmUp(gateway);
  const figures: Figures = {
    ...(await transfers(context, gateway, { ...plan.large, ...rounds })),
    ...(await transfers(context, gateway, { ...plan.medium, ...rounds })),
    ...(await smallFiles(context, gateway.current, { ...plan.small, ...rounds })),
    ...(await versions(context, gateway, plan.versions)),
    ...(await calm(context, cluster, plan.calm)),
  };
  await cluster[Symbol.asyncDispose]();
  // Of its own: who dies holds what is to be copied, and not gigabytes beside.
  const small = scope.use(await BenchCluster.up({ nodes, slots: 1, signal }));
  const repaired = await repair(context, small, plan.repair);
  await small[Symbol.asyncDispose]();
  const beside = {
    ...(await nats(context, { ...plan.large, ...rounds })),
    ...(context.quick ? {} : await nats(context, { ...plan.medium, ...rounds })),
  };
  // Of its own: memory and log are what the catalog made of them.
  const large = scope.use(await BenchCluster.up({ nodes, slots: 1, signal }));
  return { ...figures, ...repaired, ...beside, ...(await catalog(context, large, plan.catalog)) };
}
