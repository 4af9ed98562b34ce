/**
 * A data directory with everything in it that can be damaged, the open copy of a healthy peer, and what a node must
 * still know after it was opened: every acknowledged entry, every row, the vote.
 */
import { IDunnoError } from "../../src/lib/errors.ts";
import { pack, unpack } from "../../src/lib/msgpack.ts";
import type { Runtime } from "../../src/lib/runtime.ts";
import { Scope } from "../../src/lib/scope.ts";
import { LogIndex, NodeId, Term } from "../../src/lib/types.ts";
import type { Logger } from "../../src/node/log.ts";
import { unpackRows } from "../../src/node/snapshots/snapshot-chunk.ts";
import { SnapshotFetcher } from "../../src/node/snapshots/snapshot-fetcher.ts";
import { SnapshotInstaller } from "../../src/node/snapshots/snapshot-installer.ts";
import { SnapshotSource } from "../../src/node/snapshots/snapshot-source.ts";
import type { Disk } from "../../src/node/stores/disk.ts";
import { establishIdentity } from "../../src/node/stores/identity.ts";
import { configurationOf } from "../../src/node/stores/log-recovery.ts";
import { type OpenedStores, openStores } from "../../src/node/stores/open-stores.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";
import { systemDisk } from "../../src/node/stores/system-disk.ts";
import {
  decodeConfiguration,
  encodeConfiguration,
  simpleConfiguration,
} from "../../src/raft/configuration.ts";
import type { Configuration, Entry, HardState, PersistWrite } from "../../src/raft/types.ts";

export const vote: HardState = { term: Term(7), vote: NodeId("n2") };

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent, flush: silent };

export interface Opened extends OpenedStores {
  readonly scope: Scope;
  readonly directory: string;
}

/** What a node is opened in. */
export interface Surroundings {
  readonly disk: Disk;
  readonly runtime: Runtime;
}

/** Opens a directory as a node does. */
export async function openWorld(
  directory: string,
  founders: readonly string[],
  { disk = systemDisk, runtime = systemRuntime }: Partial<Surroundings> = {},
): Promise<Opened> {
  await disk.files.mkdir(directory, { recursive: true });
  const scope = new Scope();
  const list = founders.map((name, i) => ({ name, host: "127.0.0.1", port: 7_001 + i }));
  const established = await establishIdentity(directory, "n1", list, disk);
  const onFatal = (error: unknown): void => {
    throw error;
  };
  try {
    const ports = {
      disk,
      scope,
      log: log as unknown as Logger,
      runtime,
      onFatal,
    };
    return { ...(await openStores(directory, established, ports)), scope, directory };
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

export async function closeWorld({ scope }: Opened): Promise<void> {
  await scope[Symbol.asyncDispose]();
}

/** Bytes of a row's filling: with {@link rowKeys} it makes a snapshot of several chunks. */
const fillBytes = 1_200;
const rowKeys = 2_000;

export function entryAt(index: number, founders: readonly string[]): Entry {
  const at = { index: LogIndex(index), term: Term(1 + Math.floor(index / 700)) };
  if (index % 450 === 0) {
    const learners = [NodeId(`l${index}`)];
    const configuration = simpleConfiguration(founders.map(NodeId), learners);
    return { ...at, kind: "configuration", data: encodeConfiguration(configuration) };
  }
  return { ...at, kind: "command", data: pack([index, "x".repeat(index % 300)]) };
}

/** What a machine would do, without one: the row depends on the entry alone. */
export function applyTo({ state, logStore }: Opened, to: number): void {
  while (state.appliedIndex < to) {
    const next = LogIndex(state.appliedIndex + 1);
    for (const entry of logStore.read(next, LogIndex(to), 1024 * 1024)) {
      if (entry.kind === "configuration") state.commitConfiguration(configurationOf(entry));
      else state.commit(entry.index, [rowOf(entry)]);
    }
  }
}

function rowOf({ index, data }: Entry): { key: string; value: unknown } {
  const [seed] = unpack(data, "entry") as [number];
  const table = index % 50 === 0 ? "model" : "file";
  const key = `${table}/${String(index % rowKeys).padStart(5, "0")}`;
  return { key, value: { index, fill: `${seed}`.repeat(fillBytes).slice(0, fillBytes) } };
}

export function writeOf(entries: readonly Entry[], more: Partial<PersistWrite> = {}): PersistWrite {
  return {
    write: 1,
    hardState: undefined,
    install: undefined,
    truncateFrom: undefined,
    entries,
    ...more,
  };
}

export async function append(
  world: Opened,
  founders: readonly string[],
  range: { readonly from: number; readonly to: number },
): Promise<void> {
  for (let index = range.from; index <= range.to; index += 40) {
    const last = Math.min(range.to, index + 39);
    const entries = Array.from({ length: last - index + 1 }, (_, i) =>
      entryAt(index + i, founders),
    );
    await world.logStore.write(writeOf(entries));
    applyTo(world, last);
    if (index % 400 < 40) await world.state.settled();
  }
  await world.state.settled();
}

/** Who votes as of an entry, by reading the log backwards; undefined: the founders. */
export function configurationAt({ logStore }: Opened, index: number): Configuration | undefined {
  const { base } = logStore;
  for (let at = LogIndex(index); at > base.index; at = LogIndex(at - 1)) {
    const [entry] = logStore.read(at, at, 1);
    if (entry?.kind === "configuration") return decodeConfiguration(entry.data);
  }
  return base.configuration;
}

/** Entries of the log, and up to where it is compacted. */
export const extent = { last: 3_000, base: 1_500 } as const;

/** Makes the directory of a stopped node: entries, configurations, a vote, a base, rows. */
export async function buildWorld(
  directory: string,
  founders: readonly string[],
  /** A snapshot of this one is on its way, too. */
  healthy?: Healthy,
): Promise<void> {
  let world = await openWorld(directory, founders);
  await world.logStore.write(writeOf([], { hardState: vote }));
  await append(world, founders, { from: 1, to: 1_600 });
  await world.logStore.compact(LogIndex(extent.base), configurationAt(world, extent.base));
  await world.logStore.trim();
  await closeWorld(world);
  // Opening turns LevelDB's logs into tables: what follows lies in a log of its own.
  world = await openWorld(directory, founders);
  await append(world, founders, { from: 1_601, to: 2_900 });
  if (healthy !== undefined) await stageChunk(healthy, world);
  await closeWorld(world);
  world = await openWorld(directory, founders);
  await append(world, founders, { from: 2_901, to: extent.last });
  if (healthy !== undefined) await stageChunk(healthy, world);
  await closeWorld(world);
}

/** A healthy node that answers requests for snapshots. */
export class Healthy {
  readonly world: Opened;
  readonly source: SnapshotSource;

  constructor(world: Opened) {
    this.world = world;
    this.source = new SnapshotSource({
      view: () => world.state.view(),
      baseIndex: () => world.logStore.base.index,
      runtime: systemRuntime,
    });
  }

  fetcher(stage: OpenedStores["stage"], fails: () => boolean = () => false): SnapshotFetcher {
    return new SnapshotFetcher({
      stage,
      runtime: systemRuntime,
      log: log as unknown as Logger,
      request: async (_to, request) => {
        if (fails()) throw new IDunnoError("UNREACHABLE", { nodes: ["n2"] });
        return this.source.chunk(request);
      },
    });
  }

  /** Brings a node to this one's position by a snapshot, as the driver would. */
  async install(to: Opened): Promise<void> {
    const { directory, state, machine, stage, logStore } = to;
    const installer = new SnapshotInstaller(to.stateFolder, {
      directory,
      disk: systemDisk,
      state,
      machine,
      stage,
      log: log as unknown as Logger,
    });
    const { signal } = new AbortController();
    const atLeast = this.world.logStore.base.index;
    const staged = await this.fetcher(stage).fetch({ from: NodeId("n2"), atLeast }, signal);
    const position = await installer.install(staged);
    await logStore.install(position, vote);
    await installer.close();
  }

  async close(): Promise<void> {
    await this.source.close();
    await closeWorld(this.world);
  }
}

/** Receives the first or the next chunk of a snapshot. */
async function stageChunk({ source }: Healthy, { stage }: Opened): Promise<void> {
  const { snapshot, after } = stage.progress ?? { snapshot: "", after: "" };
  const { head, body } = await source.chunk({ snapshot, after });
  if (snapshot === "") await stage.begin(head);
  await stage.add(head, unpackRows(body, after));
}

/** Every row of a state. */
export async function rowsOf({ state }: Opened): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  for await (const [key, value] of state.rows("")) rows.set(key, JSON.stringify(value));
  return rows;
}
