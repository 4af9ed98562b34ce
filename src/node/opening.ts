/** Opening what a data directory holds, and what a node is made from; main.ts puts it together. */
import { join } from "node:path";
import { LogIndex, NodeId, StoreId } from "../lib/types.ts";
import type { RegisterMember } from "../machine/commands.ts";
import { simpleConfiguration } from "../raft/configuration.ts";
import { Raft } from "../raft/core.ts";
import {
  type Configuration,
  type ConfigurationAt,
  defaultLimits,
  defaultTimings,
  type RaftLimits,
  type RaftTimings,
} from "../raft/types.ts";
import { ChunkCache } from "../sdfs/chunks/chunk-cache.ts";
import { ChunkStore } from "../sdfs/chunks/chunk-store.ts";
import type { ChunkHash } from "../lib/types.ts";
import type { Chunks } from "./ports.ts";
import type { Identity } from "./stores/identity.ts";
import type { Recovered } from "./stores/log-recovery.ts";
import type { LogStore } from "./stores/log-store.ts";
import type { StoresPorts } from "./stores/open-stores.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Chunks fetched for inference but not kept as replicas, in bytes. */
const cacheBytes = 2 * 1024 ** 3;

export async function openChunks(
  directory: string,
  onDamage: (hash: ChunkHash) => void,
  { scope }: Pick<StoresPorts, "scope">,
): Promise<{ readonly chunkStore: ChunkStore; readonly cache: ChunkCache }> {
  const chunkStore = await ChunkStore.open(join(directory, "chunks"), {
    ioSlots: ioSlots(),
    onDamage,
  });
  scope.defer(async () => chunkStore.close());
  const cache = await ChunkCache.open(join(directory, "cache"), {
    maxBytes: cacheBytes,
    io: chunkStore.io,
  });
  scope.defer(async () => cache.close());
  return { chunkStore, cache };
}

/** Chunk files may use half of libuv's pool: the log's fsync must never queue behind them (design section 4). */
function ioSlots(): number {
  const pool = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);
  return Math.max(1, Math.floor(pool / 2));
}

/**
 * Who votes in an empty log: the founders. A node that joined has to be told by the cluster, and must not vote for
 * itself before, even if it has the name of a founder: to it, everybody else votes.
 */
export function foundersOf({ node, founders, seeds }: Identity): Configuration {
  const names = [...founders, ...(seeds ?? [])].map(({ name }) => NodeId(name));
  const voters = new Set(seeds === undefined ? names : names.filter((name) => name !== node));
  return simpleConfiguration([...voters]);
}

/**
 * Who voted from the first entry of the history on, for whoever knows of no entry that changed it. What a node that
 * joined was told of others is about later, and says nothing of who voted then.
 */
export function firstVoters({ founders }: Identity): Configuration {
  return simpleConfiguration(founders.map(({ name }) => NodeId(name)));
}

/** Those of the log; the founders' where it says nothing else of its base. */
function configurationsOf(identity: Identity, recovered: Recovered): readonly ConfigurationAt[] {
  const { base, configurations } = recovered;
  const [first] = configurations;
  if (first !== undefined && first.index <= base.index) return configurations;
  const configuration = base.index === 0 ? foundersOf(identity) : firstVoters(identity);
  return [{ index: base.index, configuration }, ...configurations];
}

export function makeRaft(
  identity: Identity,
  found: { readonly recovered: Recovered; readonly logStore: LogStore; readonly state: StateStore },
  start: {
    readonly seed: number;
    readonly now: number;
    readonly timings?: RaftTimings;
    readonly limits?: RaftLimits;
  },
): Raft {
  const { recovered, logStore, state } = found;
  return new Raft(
    {
      id: NodeId(identity.node),
      configurations: configurationsOf(identity, recovered),
      timings: defaultTimings,
      limits: defaultLimits,
      ...start,
      hardState: recovered.hardState,
      base: { index: recovered.base.index, term: recovered.base.term },
      lastIndex: recovered.lastIndex,
      lastTerm: recovered.lastTerm,
      appliedIndex: LogIndex(Math.min(state.appliedIndex, recovered.lastIndex)),
      damaged: recovered.damage.length > 0,
    },
    { log: logStore },
  );
}

/** What this start of the node says of itself to the cluster. */
export function makeRegistration(
  identity: Identity,
  parts: {
    readonly boot: string;
    readonly chunkStore: Pick<Chunks, "id">;
    readonly peerAddress: string;
    readonly httpAddress: string;
    readonly slots: number;
    readonly labels: Readonly<Record<string, string>>;
  },
): RegisterMember {
  return {
    kind: "register-member",
    node: NodeId(identity.node),
    incarnation: identity.incarnation,
    boot: parts.boot,
    store: StoreId(parts.chunkStore.id),
    peerAddress: parts.peerAddress,
    httpAddress: parts.httpAddress,
    slots: parts.slots,
    labels: Object.entries(parts.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  };
}
