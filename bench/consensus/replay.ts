/**
 * The process that starts a node's state from its log: makes a log of many entries through the real store, then opens it
 * again and applies all of it, as a daemon does whose state is gone. In a process of its own, since it holds the loop and
 * its memory is one of the figures.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Scope } from "../../src/lib/scope.ts";
import { LogIndex, LogTime, NodeId, Term } from "../../src/lib/types.ts";
import { encodeCommand } from "../../src/machine/codec.ts";
import type { Entry } from "../../src/raft/types.ts";
import { Applier } from "../../src/node/applier.ts";
import { type Logger, openLog } from "../../src/node/log.ts";
import { LogClock } from "../../src/node/log-clock.ts";
import { SnapshotFetcher } from "../../src/node/snapshots/snapshot-fetcher.ts";
import { SnapshotSource } from "../../src/node/snapshots/snapshot-source.ts";
import { SnapshotStage } from "../../src/node/snapshots/snapshot-stage.ts";
import { type OpenedStores, openStores } from "../../src/node/stores/open-stores.ts";
import { establishIdentity } from "../../src/node/stores/identity.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";
import { systemDisk } from "../../src/node/stores/system-disk.ts";

export interface Replayed {
  readonly entries: number;
  /** Reading and checking the whole log. */
  readonly openMs: number;
  /** Applying it, until the state was durable. */
  readonly applyMs: number;
  readonly residentBytes: number;
  /** Sending the state as a snapshot and taking it in, both in this process: reading, checking, writing, syncing. */
  readonly snapshotMs: number;
  readonly snapshotBytes: number;
}

/** Entries of one write while the log is made: enough that syncs do not count. */
const batch = 2_000;

async function replay(entries: number): Promise<Replayed> {
  const directory = await mkdtemp(join(tmpdir(), `idunno-bench-${process.pid}-`));
  try {
    const log = openLog("n1", undefined);
    await makeLog(directory, entries, log);
    return await applyLog(directory, entries, log);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const founder = { name: "n1", host: "127.0.0.1", port: 1 };

function fatal(error: unknown): void {
  throw error;
}

async function makeLog(directory: string, entries: number, log: Logger): Promise<void> {
  await using scope = new Scope();
  const established = await establishIdentity(directory, founder.name, [founder], systemDisk);
  const { logStore } = await openStores(directory, established, {
    disk: systemDisk,
    scope,
    log,
    runtime: systemRuntime,
    onFatal: fatal,
  });
  const term = Term(1);
  const hardState = { term, vote: NodeId(founder.name) };
  for (let from = 1; from <= entries; from += batch)
    await logStore.write({
      write: from,
      hardState: from === 1 ? hardState : undefined,
      install: undefined,
      truncateFrom: undefined,
      entries: Array.from({ length: Math.min(batch, entries - from + 1) }, (_, i): Entry => {
        // A row that stays and one that is written over, for each: a state grows less than its log.
        const file = { path: `history/${from + i}`, bytes: 0, chunks: [], ifVersion: undefined };
        const operation = { kind: "commit-files", files: [file] } as const;
        const data = encodeCommand({ v: 1, at: LogTime(from + i), key: undefined, operation });
        return { index: LogIndex(from + i), term, kind: "command", data };
      }),
    });
}

async function applyLog(directory: string, entries: number, log: Logger): Promise<Replayed> {
  const scope = new Scope();
  const opening = { disk: systemDisk, scope, log, runtime: systemRuntime, onFatal: fatal };
  const established = await establishIdentity(directory, founder.name, [founder], systemDisk);
  const startMs = performance.now();
  const stores = await openStores(directory, established, opening);
  const { logStore, recovered, state, machine } = stores;
  const openMs = performance.now() - startMs;
  const last = recovered.lastIndex;
  const applier = new Applier({
    machine,
    state,
    logClock: new LogClock(systemRuntime, LogTime(0), 0),
    runtime: systemRuntime,
    log,
    entries: (from, maxBytes) => logStore.read(from, last, maxBytes),
    onMutations: () => undefined,
    onFatal: fatal,
  });
  const applyStartMs = performance.now();
  applier.applyTo(last);
  await applier.reached(last, new AbortController().signal);
  const residentBytes = process.memoryUsage.rss();
  await state.settled();
  const applyMs = performance.now() - applyStartMs;
  const snapshot = await takeSnapshot(directory, stores, log);
  await scope[Symbol.asyncDispose]();
  return { entries, openMs, applyMs, residentBytes, ...snapshot };
}

/** From this state into a stage beside it, chunk by chunk as over the network. */
async function takeSnapshot(
  directory: string,
  { state, logStore, stateFolder }: OpenedStores,
  log: Logger,
): Promise<Pick<Replayed, "snapshotMs" | "snapshotBytes">> {
  const source = new SnapshotSource({
    view: () => state.view(),
    baseIndex: () => logStore.base.index,
    runtime: systemRuntime,
  });
  const stage = await SnapshotStage.open(directory, stateFolder, systemDisk);
  const fetcher = new SnapshotFetcher({
    stage,
    request: async (_to, request) => source.chunk(request),
    runtime: systemRuntime,
    log,
  });
  const startMs = performance.now();
  const wanted = { from: NodeId(founder.name), atLeast: LogIndex(1) };
  const staged = await fetcher.fetch(wanted, new AbortController().signal);
  const snapshotMs = performance.now() - startMs;
  await staged.database.close();
  await source.close();
  await stage.close();
  return { snapshotMs, snapshotBytes: fetcher.counts.bytes };
}

process.once("message", (entries: number) => {
  // A rejection ends the process with its error; the parent sees that no answer came.
  void replay(entries).then((replayed) => process.send?.(replayed, () => process.disconnect()));
});
