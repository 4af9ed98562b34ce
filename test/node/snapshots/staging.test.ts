/** The log is not cut from before the core takes a snapshot until the log begins after it. */
import test from "ava";
import { LogIndex, NodeId } from "../../../src/lib/types.ts";
import {
  SnapshotExchange,
  type SnapshotExchangePorts,
} from "../../../src/node/snapshots/snapshot-exchange.ts";
import type { Staged } from "../../../src/node/snapshots/snapshot-stage.ts";
import { quiet } from "../quiet.ts";

/** A node whose log is long enough to be cut at once, and whose disk takes as long for that as the test wants. */
function exchange(isWanted: boolean) {
  const told: string[] = [];
  let becameDurable: () => void = () => undefined;
  let cutDone: () => void = () => undefined;
  let decide: () => void = () => undefined;
  const decided = new Promise<void>((resolve) => (decide = resolve));
  const unused = (): never => {
    throw new Error("nobody asks for this");
  };
  const ports = {
    directory: "unused",
    stateFolder: "unused",
    disk: { files: { rm: async () => void told.push("dismissed") } },
    stage: {},
    logStore: {
      base: { index: LogIndex(0) },
      lastIndex: LogIndex(100),
      sizes: { bytes: 100, indexKeeping: () => 90 },
      compact: async (to: number) => {
        told.push(`cut to ${to}`);
        await new Promise<void>((resolve) => (cutDone = resolve));
        told.push("cut");
        return { index: to, term: 1 };
      },
      trim: async () => undefined,
    },
    state: {
      durableIndex: 100,
      onDurable: (listener: () => void) => (becameDurable = listener),
      view: unused,
    },
    raft: { configurationAsOf: () => ({ configuration: {} }) },
    driver: () => ({
      compacted: () => undefined,
      snapshotStaged: async () => {
        told.push("staged");
        becameDurable();
        decide();
        return isWanted;
      },
    }),
    peers: { request: unused },
    runtime: { now: () => 0 },
    founders: {},
    log: quiet,
    onFatal: (error: unknown) => told.push(String(error)),
    metrics: {},
    compaction: { keepEntries: 10, keepBytes: 10, slackEntries: 1, slackBytes: 1, pauseMs: 0 },
  };
  const made = new SnapshotExchange(ports as unknown as SnapshotExchangePorts);
  const staged = {
    folder: "unused",
    database: { close: async () => undefined },
    position: { index: 196, term: 3 },
  };
  made.fetcher.fetch = async () => staged as unknown as Staged;
  return { made, told, decided, durable: () => becameDurable(), cut: () => cutDone() };
}

test("a cut under way ends before the core takes a snapshot, and none begins until it is installed", async (t) => {
  const { made, told, decided, durable, cut } = exchange(true);
  durable();
  made.want(NodeId("n2"), LogIndex(191));
  await new Promise(setImmediate);
  t.deepEqual(told, ["cut to 90"]);
  cut();
  await decided;
  await new Promise(setImmediate);
  durable();
  t.deepEqual(told, ["cut to 90", "cut", "staged"]);
});

test("a snapshot that is not wanted any more lets the log be cut again", async (t) => {
  const { made, told, decided, durable } = exchange(false);
  made.want(NodeId("n2"), LogIndex(191));
  await decided;
  await new Promise(setImmediate);
  t.deepEqual(told, ["staged", "dismissed"]);
  durable();
  t.deepEqual(told, ["staged", "dismissed", "cut to 90"]);
});
