/**
 * A worker that does not lead dies with queries in hand: how long until each of them is in the hands of a living node,
 * or done. Its queries are those that the leader shows it to have when it is killed, and any that the leader hands it
 * afterwards, not knowing yet. They are watched in the leader's own table of open queries, over HTTP.
 */
import type { QueryView } from "../../src/lib/api/jobs.ts";
import { jitter, until } from "../bench.ts";
import type { BenchCluster } from "../cluster.ts";
import { WorkFollower } from "../work-follower.ts";
import type { Load } from "./load.ts";

/** Pause between two looks at the table. */
const lookEveryMs = 2;
/** And between two looks at the log, for what explains the figure. */
const followEveryMs = 3;
const withinMs = 30_000;
const jitterMs = 250;

export interface WorkerTrialOptions {
  /** A number that chooses the victim. */
  readonly turn: number;
  readonly load: Load;
  readonly signal: AbortSignal;
}

export interface WorkerTrial {
  /** Queries that the victim had. */
  readonly inHand: number;
  /** Until the log had it that the victim is down; NaN when that came later than all else. */
  readonly noticedMs: number;
  /** Until all of them were handed to others, or done. */
  readonly reassignedMs: number;
  /** Until all of them were done. */
  readonly completedMs: number;
}

export async function workerTrial(
  cluster: BenchCluster,
  { turn, load, signal }: WorkerTrialOptions,
): Promise<WorkerTrial> {
  await load.start();
  const { leader } = await cluster.healthy();
  const others = cluster.names.filter((name) => name !== leader);
  const victim = others[turn % others.length] ?? "";
  const client = cluster.client(leader);
  const look = async (): Promise<QueryView[]> => client.jobQueries(load.job);
  await using follower = await WorkFollower.start(client, followEveryMs);
  await jitter(jitterMs, signal);

  const inHand = new Set<number>();
  const note = (open: readonly QueryView[]): void => {
    for (const { query, attempts } of open)
      if (attempts.some(({ node }) => node === victim)) inHand.add(query);
  };
  const waiting = { withinMs, everyMs: lookEveryMs, signal };
  await until({ ...waiting, what: `queries in the hands of ${victim}` }, async () => {
    note(await look());
    return inHand.size > 0 ? inHand : undefined;
  });
  const killedMs = performance.now();
  const ended = cluster.signalNode(victim, "SIGKILL");

  const reassignedMs = await until({ ...waiting, what: `others to take over` }, async () => {
    const open = await look();
    note(open);
    const taken = open.every(
      ({ query, attempts }) => !inHand.has(query) || attempts.some(({ node }) => node !== victim),
    );
    return taken ? performance.now() - killedMs : undefined;
  });
  const completedMs = await until(
    { ...waiting, what: `results of ${victim}'s queries` },
    async () =>
      (await look()).some(({ query }) => inHand.has(query))
        ? undefined
        : performance.now() - killedMs,
  );
  const noticedMs = (follower.downMs.get(victim) ?? NaN) - killedMs;
  await ended;
  await load.stop();
  await cluster.restart(victim);
  return { inHand: inHand.size, noticedMs, reassignedMs, completedMs };
}
