/**
 * The leader's scheduler: takes completions in, hands queries out. One `work` command is under way at a time; what
 * comes meanwhile goes with the next, so the log sees few large commands under load and small quick ones without.
 *
 * A result that nobody can miss yet waits for others to go with, since each command costs every node some milliseconds of
 * processor. Nobody misses it while its job is the only one that has more to hand out: whoever reads results is far from the
 * last one then, and its slot has other queries of the job in hand. It waits for half of the time that those take beyond
 * what is decoded ahead ({@link decodeAheadMs}), and for {@link gatherMs} at most, so no slot runs dry.
 *
 * A push to a worker is a hint after the commit. A new leader pushes all open assignments again; a worker drops what it
 * has already by (job, query, attempt).
 */
import { IDunnoError } from "../lib/errors.ts";
import { groupBy } from "../lib/group-by.ts";
import type { AssignedQuery } from "../lib/outcome.ts";
import type { Runtime, Timer } from "../lib/runtime.ts";
import { type JobId, NodeId, type QueryNumber } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { takesMore } from "../machine/tables.ts";
import { planAssignments } from "../scheduler/policy.ts";
import { Predictor } from "../scheduler/prediction.ts";
import { completionBytes, errorCount } from "../scheduler/results.ts";
import { hasEnded, hasWork } from "../scheduler/rows.ts";
import type { Completion, JobRecord, QueryRecord } from "../scheduler/types.ts";
import type { Coordination } from "./coordination.ts";
import { pause, sharedAbort } from "./deadline.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { LogClock } from "./log-clock.ts";
import type { Logger } from "./log.ts";
import type { RaftDriver } from "./raft-driver.ts";

/** Completions waiting to be committed: far above what all slots of a cluster can finish in one commit. */
const completionsWaiting = 20_000;
/** Completions in one command, and their bytes: well under the limit of a command, which one alone never reaches. */
const completionsPerCommand = 128;
const completionBytesPerCommand = 1024 * 1024;
/** How long a result waits for others at most, in ms: it is to be seen in a blink still. */
const gatherMs = 200;
/**
 * So long before a slot begins a query it is to have it, to decode the first inputs: somewhat more than a burst takes
 * (inference/thread-query.ts). All inputs of a query that is shorter are decoded in less time than it runs.
 */
const decodeAheadMs = 100;
/** Pause before a push that was not answered is repeated, in ms. */
const pushAgainMs = 100;
/** How often to look whether a query is late, in ms: nothing else happens while all wait for it. */
const lateLookMs = 500;

export interface DispatcherPorts {
  readonly machine: Machine;
  readonly driver: RaftDriver;
  readonly coordination: Coordination;
  /** Tells a worker of its queries; resolves when it has them. */
  readonly push: (node: NodeId, queries: readonly AssignedQuery[]) => Promise<void>;
  readonly logClock: LogClock;
  readonly runtime: Runtime;
  readonly log: Logger;
}

interface Waiting {
  readonly completion: Completion;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Dispatcher {
  readonly #ports: DispatcherPorts;
  readonly #duty: LeaderDuty;
  #predictor = new Predictor();
  readonly #closing = sharedAbort();
  readonly #waiting: Waiting[] = [];
  /** When they are to be committed at the latest, on this node's clock. */
  #dueMs = Infinity;
  #gathering: Timer | undefined;
  /** Predicted milliseconds of a job's open queries by node, until a command changes them: each request asks, and they are many. */
  #inHand: { readonly job: JobId; readonly msByNode: ReadonlyMap<NodeId, number> } | undefined;
  readonly #timer: Timer;

  constructor(ports: DispatcherPorts) {
    this.#ports = ports;
    this.#timer = ports.runtime.every(lateLookMs, () => {
      this.#forgetEnded();
      this.#lookForLate();
    });
    this.#duty = new LeaderDuty(
      { name: "dispatch" },
      { ...ports, leads: () => ports.driver.isReadyLeader, work: async () => this.#work() },
    );
  }

  #lookForLate(): void {
    const { machine, driver } = this.#ports;
    if (!driver.isReadyLeader) return;
    for (const { status, cursor, totalInputs, openQueries } of machine.jobs.values())
      if (status.kind === "running" && cursor === totalInputs && openQueries > 0) {
        this.nudge();
        return;
      }
  }

  /** Also of jobs that were cancelled, or of which a result came late, nothing more will be predicted. */
  #forgetEnded(): void {
    this.#predictor.forgetJobs((id) => {
      const job = this.#ports.machine.jobs.get(id);
      return job === undefined || hasEnded(job.status);
    });
  }

  /** Something happened that may leave a place free or make work. */
  nudge(): void {
    this.#duty.nudge();
  }

  /** Takes results; resolves when they are committed, or known to be of no use. */
  async complete(completions: readonly Completion[]): Promise<void> {
    if (!this.#ports.driver.isReadyLeader)
      throw new IDunnoError("NOT_LEADER", { leader: this.#ports.coordination.leader });
    if (this.#waiting.length + completions.length > completionsWaiting)
      throw new IDunnoError("BUSY", { what: "the completion queue", limit: completionsWaiting });
    const committed = completions.map(
      async (completion) =>
        new Promise<void>((resolve, reject) => {
          this.#waiting.push({ completion, resolve, reject });
        }),
    );
    this.#commitWithin(this.#patienceMs(completions));
    await Promise.all(committed);
  }

  /** How long they may wait: 0 when somebody may miss them. */
  #patienceMs(completions: readonly Completion[]): number {
    if (this.#waiting.length >= completionsPerCommand) return 0;
    // Of jobs that take turns a slot has few queries each in hand: without the next one the others go ahead.
    const only = onlyWithWork(this.#ports.machine.jobs.values());
    // The first one tells whether the job can be run at all, and how soon it will be done.
    if (only === undefined || only.doneQueries === 0) return 0;
    if (!completions.every(({ job, failed }) => job === only.id && failed === undefined)) return 0;
    const nodes = new Set(completions.map(({ node }) => node));
    const inHandMs = Math.min(...[...nodes].map((node) => this.#inHandMs(only.id, node)));
    const spareMs = inHandMs - Math.min(decodeAheadMs, this.#longestMs(completions));
    return Math.min(gatherMs, Math.max(0, spareMs) / 2);
  }

  /** What queries like the longest of these take, as far as that can be predicted. */
  #longestMs(completions: readonly Completion[]): number {
    const ms = completions.map(({ job, node, outputs }) =>
      this.#predictor.predictMs(job, node, outputs.length),
    );
    return Math.max(...ms.map((each) => each ?? Infinity));
  }

  /** What each slot of the node has of the job to do beside what waits here, as far as that can be predicted. */
  #inHandMs(job: JobId, node: NodeId): number {
    if (this.#inHand?.job !== job) this.#inHand = { job, msByNode: this.#msByNode(job) };
    let ms = this.#inHand.msByNode.get(node) ?? 0;
    for (const { completion } of this.#waiting)
      if (completion.node === node && completion.job === job)
        ms -= this.#predictor.predictMs(job, node, completion.outputs.length) ?? 0;
    return ms / (this.#ports.machine.members.get(node)?.slots ?? 1);
  }

  #msByNode(job: JobId): Map<NodeId, number> {
    const msByNode = new Map<NodeId, number>();
    for (const { attempts, count } of this.#ports.machine.openQueries(job))
      for (const { node } of attempts) {
        const ms = this.#predictor.predictMs(job, node, count) ?? 0;
        msByNode.set(node, (msByNode.get(node) ?? 0) + ms);
      }
    return msByNode;
  }

  #commitWithin(ms: number): void {
    const { runtime } = this.#ports;
    const now = runtime.now();
    const dueMs = Math.min(this.#dueMs, now + ms);
    // Also when it was due before, and committing it failed.
    if (dueMs <= now) this.#duty.nudge();
    else if (this.#gathering === undefined || dueMs < this.#dueMs) {
      this.#gathering?.cancel();
      this.#gathering = runtime.after(ms, () => this.#commitWithin(0));
    }
    this.#dueMs = dueMs;
  }

  /** They have gone into a command, or back to their workers. */
  #gathered(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    this.#inHand = undefined;
    this.#dueMs = this.#waiting.length > 0 ? 0 : Infinity;
  }

  /** This node has become the leader: every worker hears again what it has in hand. */
  takeOver(): void {
    const { machine } = this.#ports;
    this.#predictor = new Predictor();
    const byNode = new Map<NodeId, AssignedQuery[]>();
    for (const job of machine.jobs.keys())
      for (const { query, from, count, attempts, suspect } of machine.openQueries(job))
        for (const { attempt, node, boot } of attempts) {
          const list = byNode.get(node) ?? [];
          const again = { job, query, attempt, node, boot, from, count };
          list.push(suspect === true ? { ...again, suspect } : again);
          byNode.set(node, list);
        }
    for (const [node, queries] of byNode) void this.#pushUntilHeard(node, queries); // logs failures
    this.nudge();
  }

  /** This node leads no more: whoever waits asks the next leader. */
  resign(): void {
    const error = new IDunnoError("NOT_LEADER", { leader: this.#ports.coordination.leader });
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#gathered();
  }

  async #work(): Promise<void> {
    const isDue = this.#dueMs <= this.#ports.runtime.now();
    // What waits goes with what is handed out meanwhile.
    const early = isDue ? undefined : this.#plan([]);
    if (early?.length === 0) return;
    const taken = this.#waiting.splice(0, this.#batchSize());
    this.#gathered();
    try {
      const complete = taken.map(({ completion }) => completion);
      // Before the plan: what they cost may leave room for more, which else took a command of its own.
      for (const completion of complete) this.#learn(completion);
      const assign = early !== undefined && complete.length === 0 ? early : this.#plan(complete);
      if (complete.length === 0 && assign.length === 0) return;
      const outcome = await this.#ports.coordination.proposeHere(
        { kind: "work", complete, assign },
        undefined,
      );
      this.#inHand = undefined;
      for (const { resolve } of taken) resolve();
      if (outcome.kind === "ok" && outcome.value.kind === "assigned")
        this.#pushAll(outcome.value.assigned);
      // What this one completed leaves places free.
      this.#duty.nudge();
    } catch (error) {
      for (const { reject } of taken) reject(error);
      throw error;
    }
  }

  /** How many of those that wait go into one command: at least one, then as many as its bounds allow. */
  #batchSize(): number {
    let bytes = 0;
    let count = 0;
    for (const { completion } of this.#waiting) {
      bytes += completionBytes(completion);
      if (count > 0 && (count >= completionsPerCommand || bytes > completionBytesPerCommand)) break;
      count += 1;
    }
    return count;
  }

  /** What to hand out when these are done, whose places one command then fills again. */
  #plan(complete: readonly Completion[]): ReturnType<typeof planAssignments> {
    const { machine, logClock } = this.#ports;
    const done = doneQueries(complete);
    return planAssignments({
      jobs: machine.jobs.values(),
      openQueries: (job) => withoutDone(machine.openQueries(job), done.get(job)),
      nodes: [...machine.members.values()]
        .filter(takesMore)
        .map(({ node, boot, slots }) => ({ node, boot, slots })),
      now: logClock.now(),
      predictedMs: (job: JobId, node: NodeId, inputs: number) =>
        this.#predictor.predictMs(job, node, inputs),
    });
  }

  #learn({ job, node, elapsedMs, outputs }: Completion): void {
    // An error says nothing of what the network costs.
    const inputs = outputs.length - errorCount(outputs);
    this.#predictor.observe({ job, node, inputs, elapsedMs });
  }

  #pushAll(assigned: readonly AssignedQuery[]): void {
    const byNode = groupBy(assigned, ({ node }) => node);
    for (const [node, queries] of byNode) void this.#pushUntilHeard(NodeId(node), queries); // logs failures
  }

  /** A push that is not answered comes again, as long as this node leads and that boot of the worker is up. */
  async #pushUntilHeard(node: NodeId, queries: readonly AssignedQuery[]): Promise<void> {
    const { driver, machine, push, runtime, log } = this.#ports;
    const { signal } = this.#closing;
    const { term } = driver.role;
    while (!signal.aborted && driver.isReadyLeader && driver.role.term === term) {
      const member = machine.members.get(node);
      const wanted = queries.filter(({ boot }) => member?.state === "up" && member.boot === boot);
      if (wanted.length === 0) return;
      try {
        await push(node, wanted);
        return;
      } catch (error) {
        log.debug("push-failed", { node, queries: wanted.length, error: String(error) });
        await pause(runtime, pushAgainMs, signal);
      }
    }
  }

  async close(): Promise<void> {
    this.#timer.cancel();
    this.#closing.abort();
    this.resign();
    await this.#duty.close();
  }
}

/** The job that has inputs left to hand out, if there is one and no other. */
function onlyWithWork(jobs: Iterable<JobRecord>): JobRecord | undefined {
  let only: JobRecord | undefined;
  for (const job of jobs) {
    if (!hasWork(job)) continue;
    if (only !== undefined) return undefined;
    only = job;
  }
  return only;
}

/** By job. A query that failed stays open. */
function doneQueries(complete: readonly Completion[]): Map<JobId, Set<QueryNumber>> {
  const done = new Map<JobId, Set<QueryNumber>>();
  for (const { job, query, failed } of complete) {
    if (failed !== undefined) continue;
    const numbers = done.get(job) ?? new Set();
    done.set(job, numbers.add(query));
  }
  return done;
}

function* withoutDone(
  open: Iterable<QueryRecord>,
  done: ReadonlySet<QueryNumber> | undefined,
): Generator<QueryRecord> {
  for (const record of open) if (done?.has(record.query) !== true) yield record;
}
