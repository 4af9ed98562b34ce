/**
 * The leader dies, or falls silent: how long until a client gets a write acknowledged again, and until results are
 * committed again. Both are seen from this process, through one surviving node, on this process's clock:
 *
 * - *next write*: from the signal to the acknowledgement of a write that was sent after it.
 * - *results*: from the signal to the sight of the first committed completion that a later leader proposed, of a query
 *   that the log did not hold before. What the dead leader had committed, or had proposed and the next one finished
 *   committing, carries the dead leader's term and does not count.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { jitter } from "../bench.ts";
import type { BenchCluster } from "../cluster.ts";
import { WorkFollower } from "../work-follower.ts";
import type { Load } from "./load.ts";
import { Writer } from "./writer.ts";

/** Writes before the kill: connections are open and code is warm. */
const warmWrites = 10;
/** How often the log is read while results are awaited: what it adds to a figure at most, apart from the reading. */
const followEveryMs = 3;
/** Results that have not come by then will not come. */
const resultsWithinMs = 20_000;
/** After a restart, models load for some tenths of a second: a quiet cluster is to be quiet. */
const settleMs = 800;
/** More than a heartbeat. */
const jitterMs = 250;

export interface LeaderTrialOptions {
  readonly how: "SIGKILL" | "SIGSTOP";
  /** A number that chooses the survivor through which all is seen. */
  readonly turn: number;
  /** A paused job to write to. */
  readonly target: string;
  /** Runs during the trial; without it the cluster is idle but for the writes. */
  readonly load?: Load;
  readonly signal: AbortSignal;
}

export interface LeaderTrial {
  readonly writeMs: number;
  /** Only with a load. */
  readonly resultsMs: number | undefined;
}

export async function leaderTrial(
  cluster: BenchCluster,
  { how, turn, target, load, signal }: LeaderTrialOptions,
): Promise<LeaderTrial> {
  if (load === undefined) await sleep(settleMs, undefined, { signal });
  else await load.start();
  const { leader, term } = await cluster.healthy();
  const survivors = cluster.names.filter((name) => name !== leader);
  const survivor = survivors[turn % survivors.length] ?? "";
  await using writer = new Writer(cluster.client(survivor), target);
  await using follower = await WorkFollower.start(cluster.client(survivor), followEveryMs);
  await writer.start(warmWrites);
  await jitter(jitterMs, signal);

  const killedMs = performance.now();
  const ended = cluster.signalNode(leader, how);
  const written = writer.next().then(() => performance.now() - killedMs);
  const resumed =
    load === undefined
      ? undefined
      : follower
          .first((completed) => completed.term > term, {
            what: `results under the successor of ${leader}`,
            withinMs: resultsWithinMs,
          })
          .then(({ seenMs }) => seenMs - killedMs);
  const [writeMs, resultsMs] = await Promise.all([written, resumed, ended]);

  if (how === "SIGSTOP") {
    await cluster.signalNode(leader, "SIGCONT");
    await cluster.healthy();
  } else {
    await load?.stop();
    await cluster.restart(leader);
  }
  return { writeMs, resultsMs };
}
