/** What a long history costs: starting a node from its log alone, and bringing one forward by snapshot. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { IDunnoError } from "../../src/lib/errors.ts";
import type { BenchContext } from "../bench.ts";
import { type Figures, figure } from "../report.ts";
import { table } from "../table.ts";
import type { Replayed } from "./replay.ts";

/** What a cluster decides in some hours of small jobs; and a tenth of it for a rough answer. */
const entries = { full: 1_000_000, quick: 50_000 } as const;
const MiB = 1024 * 1024;

export async function history({ quick, signal, say }: BenchContext): Promise<Figures> {
  const wanted = quick ? entries.quick : entries.full;
  const { openMs, applyMs, residentBytes, snapshotMs, snapshotBytes } = await replay(
    wanted,
    signal,
  );
  const totalMs = openMs + applyMs;
  const rows = [
    ["read and check the log", openMs / 1_000, (openMs * 1_000) / wanted],
    ["apply it", applyMs / 1_000, (applyMs * 1_000) / wanted],
    ["both", totalMs / 1_000, (totalMs * 1_000) / wanted],
    [
      `its state as a snapshot, ${(snapshotBytes / MiB).toFixed(0)} MiB`,
      snapshotMs / 1_000,
      (snapshotMs * 1_000) / wanted,
    ],
  ];
  const title = `start from a log of ${wanted.toLocaleString("en")} entries`;
  say(`\n${table([title, "s", "µs an entry"], rows)}`);
  return {
    "history.entries": figure(wanted, "entries"),
    "history.openMs": figure(openMs, "ms"),
    "history.applyMs": figure(applyMs, "ms"),
    "history.snapshotMs": figure(snapshotMs, "ms"),
    "history.snapshotMiB": figure(snapshotBytes / MiB, "MiB"),
    "history.residentMiB": figure(residentBytes / MiB, "MiB"),
  };
}

async function replay(wanted: number, signal: AbortSignal): Promise<Replayed> {
  signal.throwIfAborted();
  const child = fork(fileURLToPath(new URL("./replay.js", import.meta.url)));
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    let answer: Replayed | undefined;
    child.once("message", (message) => (answer = message as Replayed));
    child.send(wanted);
    await once(child, "exit");
    signal.throwIfAborted();
    if (answer !== undefined) return answer;
    throw new IDunnoError("INTERNAL", { message: "the replay ended without an answer" });
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}
