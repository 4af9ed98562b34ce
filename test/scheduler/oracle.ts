/** Fair time by the plainest rules: which assignments F1 to F5, F8 and F10 (policy.ts) demand. */
import { type JobId, LogTime, type NodeId } from "../../src/lib/types.ts";
import { agedClass } from "../../src/scheduler/classes.ts";
import { newcomersPerPlan } from "../../src/scheduler/policy.ts";
import {
  type NodeCapacity,
  aheadMs,
  leastPerSlot,
  mostPerSlot,
  queriesPerTurn,
  turnsPerSlot,
} from "../../src/scheduler/room.ts";
import type { Assign, JobRecord } from "../../src/scheduler/types.ts";
import type { Replica } from "../machine/fixtures.ts";
import type { Predicted } from "./planning.ts";

/** The rules once more, as slow and plain as they can be said. */
export class Oracle {
  readonly #predict: Predicted;
  readonly #jobs: Map<JobId, JobRecord>;
  readonly #loads: {
    readonly of: NodeCapacity;
    queries: number;
    ms: number;
    readonly byJob: Map<JobId, number>;
  }[];
  /** Jobs that were due when nobody had room for them: nobody will have in this plan. */
  readonly #aside = new Set<JobId>();
  readonly #lost = new Set<string>();
  /** Who works on queries that may be late, since their jobs have nothing else to hand out (F7; second-attempts.test.ts). */
  readonly #last = new Map<string, NodeId>();
  readonly #now: LogTime;
  #newcomers = 0;
  /** Queries of jobs that have nothing done yet. */
  #unproven = 0;
  /** Whether others had inputs left when the plan began: those that they leave are the next plan's. */
  readonly #isShared: boolean;

  constructor(replica: Replica, nodes: readonly NodeCapacity[], predict: Predicted) {
    const { machine, at } = replica;
    this.#now = LogTime(at);
    this.#predict = predict;
    this.#jobs = new Map([...machine.jobs].filter(([, { status }]) => status.kind === "running"));
    this.#isShared = [...this.#jobs.values()].some(
      ({ doneQueries, cursor, totalInputs }) => doneQueries > 0 && cursor < totalInputs,
    );
    this.#loads = nodes.map((of) => ({ of, queries: 0, ms: 0, byJob: new Map() }));
    for (const job of machine.jobs.keys())
      for (const { query, attempts, count } of machine.openQueries(job)) {
        const [only, ...more] = attempts;
        const { cursor, totalInputs } = this.#jobs.get(job) ?? { cursor: 0, totalInputs: 1 };
        if (only !== undefined && more.length === 0 && cursor === totalInputs)
          this.#last.set(`${job}/${query}`, only.node);
        for (const { node, boot } of attempts)
          if (this.#loads.some(({ of }) => of.node === node && of.boot === boot))
            this.#work(job, node, count);
        if (attempts.length === 0 && this.#jobs.has(job)) this.#lost.add(`${job}/${query}`);
        if (machine.jobs.get(job)?.doneQueries === 0) this.#unproven += 1;
      }
  }

  #load(node: NodeId) {
    const load = this.#loads.find(({ of }) => of.node === node);
    if (load === undefined) throw new Error(`${node} may not be given work`);
    return load;
  }

  #work(job: JobId, node: NodeId, inputs: number): void {
    const load = this.#load(node);
    load.queries += 1;
    load.ms += this.#predict(job, node, inputs) ?? aheadMs;
    load.byJob.set(job, (load.byJob.get(job) ?? 0) + 1);
  }

  /** Whether a slot of the node has nothing of the job. */
  #takesTurn(job: JobId, node: NodeId): boolean {
    const { byJob, of } = this.#load(node);
    return (byJob.get(job) ?? 0) < of.slots;
  }

  /** F2. */
  #hasRoomFor({ id, priority = 0 }: JobRecord, node: NodeId): boolean {
    const { queries, byJob, of } = this.#load(node);
    if (this.#hasRoom(node)) return true;
    const isItsTurn = [...this.#aside].every(
      (each) => (this.#jobs.get(each)?.priority ?? 0) === priority,
    );
    if (!isItsTurn || !this.#isUnderMost(node)) return false;
    const turns = [...byJob.values()].reduce((sum, count) => sum + Math.min(count, of.slots), 0);
    if (this.#takesTurn(id, node)) return turns < turnsPerSlot * of.slots;
    const hasNext = (byJob.get(id) ?? 0) >= queriesPerTurn * of.slots;
    const nobodyLacks = [...this.#aside].every(
      (each) =>
        this.#jobs.get(each)?.cursor === 0 ||
        this.#loads.every((load) => !this.#takesTurn(each, load.of.node)),
    );
    return nobodyLacks && !hasNext && queries < queriesPerTurn * turnsPerSlot * of.slots;
  }

  /** F1: whose query is to be handed out next, and where there is room for it. */
  #due(): { readonly job: JobRecord; readonly nodes: readonly NodeId[] } | undefined {
    for (const job of this.#waiting()) {
      if (this.#aside.has(job.id)) continue;
      const nodes = this.#loads
        .map(({ of }) => of.node)
        .filter((node) => this.#hasRoomFor(job, node));
      if (nodes.length > 0) return { job, nodes };
      this.#aside.add(job.id);
    }
    return undefined;
  }

  #hasRoom(node: NodeId): boolean {
    const { queries, ms, of } = this.#load(node);
    if (queries < leastPerSlot * of.slots) return true;
    return queries < mostPerSlot * of.slots && ms < aheadMs * of.slots;
  }

  #isUnderMost(node: NodeId): boolean {
    const { queries, of } = this.#load(node);
    return queries < mostPerSlot * of.slots;
  }

  /** Runnable jobs with inputs left, by their turns: of each class the one furthest behind, of those the highest as aged. */
  #waiting(): JobRecord[] {
    const unfinished = [...this.#jobs.values()].filter(
      ({ cursor, totalInputs }) => cursor < totalInputs,
    );
    const slots = this.#loads.reduce((sum, { of }) => sum + of.slots, 0);
    const isFull = this.#unproven >= Math.max(1, Math.floor(slots / 4));
    const keepsBack = isFull && this.#isShared;
    const left = unfinished
      .filter(({ doneQueries, cursor }) => !keepsBack || doneQueries > 0 || cursor === 0)
      .toSorted((a, b) => a.progress - b.progress || numberOf(a) - numberOf(b));
    const turns: JobRecord[] = [];
    while (left.length > 0) {
      const firsts = left.filter(
        (job, i) => left.findIndex(({ priority }) => priority === job.priority) === i,
      );
      const [next] = firsts.toSorted(
        (a, b) =>
          this.#classOf(b) - this.#classOf(a) ||
          servedAt(a) - servedAt(b) ||
          (b.priority ?? 0) - (a.priority ?? 0),
      );
      if (next === undefined) break;
      turns.push(next);
      left.splice(left.indexOf(next), 1);
    }
    return turns;
  }

  #classOf(job: JobRecord): number {
    return agedClass({ priority: job.priority ?? 0, servedAt: LogTime(servedAt(job)) }, this.#now);
  }

  /** Takes note of one assignment; says which rule it breaks. */
  take({ job, node, boot, query }: Assign, count: number): string | undefined {
    if (this.#load(node).of.boot !== boot) return "another boot";
    const byOther = this.#last.get(`${job}/${query}`);
    if (byOther !== undefined) {
      const { queries, of } = this.#load(node);
      if (byOther === node || queries >= of.slots) return "F7";
      this.#work(job, node, count);
      return undefined;
    }
    if (query !== undefined) {
      const isLost = this.#lost.delete(`${job}/${query}`);
      if (!isLost || !this.#isUnderMost(node)) return "F4";
      this.#work(job, node, count);
      return undefined;
    }
    if (this.#lost.size > 0 && this.#loads.some(({ of }) => this.#isUnderMost(of.node)))
      return "F1: lost ones first";
    const due = this.#due();
    const next = due?.job ?? this.#waiting().find(({ cursor }) => cursor === 0);
    if (next === undefined || next.id !== job) return `F1: ${job} instead of ${next?.id}`;
    if (due === undefined) {
      this.#newcomers += 1;
      if (!this.#isUnderMost(node) || this.#newcomers > newcomersPerPlan) return "F5";
    } else if (!due.nodes.includes(node)) return "F2";
    const all = due?.nodes ?? this.#loads.map(({ of }) => of.node);
    const turning = all.filter((each) => due !== undefined && this.#takesTurn(job, each));
    const eligible = turning.length > 0 ? turning : all.filter((each) => this.#isUnderMost(each));
    const share = (each: NodeId): number => this.#load(each).ms / this.#load(each).of.slots;
    if (!eligible.includes(node) || share(node) > Math.min(...eligible.map(share))) return "F3";
    this.#work(job, node, count);
    if (next.doneQueries === 0) this.#unproven += 1;
    const progress = next.progress + 1 / next.weight;
    const servedAt = this.#now;
    this.#jobs.set(job, { ...next, cursor: next.cursor + count, progress, servedAt });
    return undefined;
  }

  /** What the plan left undone though it might have done it. */
  get undone(): string | undefined {
    const nodes = this.#loads.map(({ of }) => of.node);
    const waiting = this.#waiting();
    if (this.#lost.size > 0 && nodes.some((node) => this.#isUnderMost(node))) return "F4";
    if (this.#due() !== undefined) return "F2";
    const newcomers = waiting.filter(({ cursor }) => cursor === 0);
    const mayBegin = this.#newcomers < newcomersPerPlan;
    if (newcomers.length > 0 && mayBegin && nodes.some((node) => this.#isUnderMost(node)))
      return "F5";
    return undefined;
  }
}

const numberOf = ({ id }: JobRecord): number => Number(id.slice(1));
const servedAt = (job: JobRecord): number => job.servedAt ?? job.submittedAt;
