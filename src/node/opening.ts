/** Opening what a data directory holds, and what a node is made from; main.ts puts it together. */
import { join } from "node:path";
import { IDunnoError } from "../lib/errors.ts";
import type { Scope } from "../lib/scope.ts";
import { LogIndex, NodeId, StoreId, Term } from "../lib/types.ts";
import type { RegisterMember } from "../machine/commands.ts";
import { Machine } from "../machine/machine.ts";
import { hotTables } from "../machine/tables.ts";
import { simpleConfiguration } from "../raft/configuration.ts";
import { Raft } from "../raft/core.ts";
import { defaultLimits, defaultTimings } from "../raft/types.ts";
import { ChunkCache } from "../sdfs/chunks/chunk-cache.ts";
import { ChunkStore } from "../sdfs/chunks/chunk-store.ts";
import type { ChunkHash } from "../lib/types.ts";
import type { Logger } from "./log.ts";
import { type Identity, keepIdentity } from "./stores/identity.ts";
import { openDatabase } from "./stores/level.ts";
import { type Recovered, recoverLog } from "./stores/log-recovery.ts";
import { LogStore } from "./stores/log-store.ts";
import { MarkFile } from "./stores/mark.ts";
import { StateStore } from "./stores/state-store.ts";

/** Chunks fetched for inference but not kept as replicas, in bytes. */
const cacheBytes = 2 * 1024 ** 3;

export interface OpeningPorts {
  readonly scope: Scope;
  readonly log: Logger;
  readonly onFatal: (error: unknown) => void;
}

/**
 * The log, judged. Its lock is what keeps a second process out of the directory, so it comes first.
 * @throws IDunnoError DIRECTORY_IN_USE; CORRUPT for a damaged lone voter, whom nobody can refill
 */
export async function openLogStore(
  directory: string,
  { identity, isNew }: { readonly identity: Identity; readonly isNew: boolean },
  { scope, log, onFatal }: OpeningPorts,
): Promise<{ readonly logStore: LogStore; readonly recovered: Recovered }> {
  const database = await openDatabase(join(directory, "raft"));
  const mark = await MarkFile.open(directory);
  let recovered: Recovered;
  try {
    recovered = await recoverLog(database, mark.last, isNew);
  } catch (error) {
    await mark.close();
    await database.close();
    throw error;
  }
  const logStore = new LogStore(database, mark, recovered);
  scope.defer(async () => logStore.close());
  logStore.onFailure(onFatal);
  if (recovered.damage.length === 0) {
    if (mark.last === undefined) await logStore.remark();
    if (isNew) await keepIdentity(directory, identity);
    return { logStore, recovered };
  }
  log.error("log-damaged", { damage: recovered.damage, keptTo: recovered.lastIndex });
  if (identity.founders.length === 1)
    throw new IDunnoError("CORRUPT", {
      file: join(directory, "raft"),
      at: recovered.damage.join("; "),
      remedy:
        "this node is the only voter, so nobody can refill it: restore the directory from a copy",
    });
  return { logStore, recovered };
}

/** The applied state, its hot tables loaded. */
export async function openState(
  directory: string,
  { scope, onFatal }: OpeningPorts,
): Promise<{ readonly state: StateStore; readonly machine: Machine }> {
  const state = StateStore.open(await openDatabase(join(directory, "state")), onFatal);
  scope.defer(async () => state.close());
  const machine = new Machine({ cold: state });
  // The hot tables alone: a start must not read a million files to know three jobs.
  for (const table of hotTables)
    for await (const [key, value] of state.rows(`${table}/`)) machine.loadRow(key, value);
  return { state, machine };
}

export async function openChunks(
  directory: string,
  onDamage: (hash: ChunkHash) => void,
  { scope }: OpeningPorts,
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

export function makeRaft(
  identity: Identity,
  found: { readonly recovered: Recovered; readonly logStore: LogStore; readonly state: StateStore },
  start: { readonly seed: number; readonly now: number },
): Raft {
  const { recovered, logStore, state } = found;
  return new Raft(
    {
      id: NodeId(identity.node),
      configurations: [
        {
          index: LogIndex(0),
          configuration: simpleConfiguration(identity.founders.map(({ name }) => NodeId(name))),
        },
      ],
      timings: defaultTimings,
      limits: defaultLimits,
      ...start,
      hardState: recovered.hardState,
      base: { index: LogIndex(0), term: Term(0) },
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
    readonly chunkStore: ChunkStore;
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
