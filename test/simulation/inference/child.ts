/**
 * A simulated executor process: threads, and a channel to the daemon that keeps the order of what is said and takes a
 * moment. It does not stand still when the daemon does, and dies with it.
 */
import type { Random } from "../../../src/lib/random.ts";
import { AnswerRelay } from "../../../src/inference/answer-relay.ts";
import type { Blame } from "../../../src/inference/executor-process.ts";
import type { ModelPlan, QueryAnswer, ToThread, Upward } from "../../../src/inference/protocol.ts";
import type { LocalChunk } from "../../../src/inference/types.ts";
import { AnswerChecks, type AnswerCounts } from "../checks/answers.ts";
import type { SimulatedProcess } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { type Fate, SimulatedThread } from "./thread.ts";

export interface ExecutorFaults {
  /** Chances in a thousand per query that is not alone in its process: nobody's fault, so to speak. */
  readonly dies: number;
  readonly hangs: number;
  /** And per run of a network. */
  readonly isLate: number;
}

/** How long a SIGKILL takes to be seen, ms. */
const killMs = [14, 105] as const;
/** A message's way, ms: of an idle machine, a busy one, one that swaps. */
const messageMs = [0.06, 0.3, 5] as const;
/** Of images that are cheap enough to go together; what is found depends on the machine. */
const microBatches = [1, 2, 8] as const;
/** What one run of a network is to take, ms. */
const runTargetMs = 50;

export interface ChildPorts {
  readonly time: VirtualTime;
  /** The daemon. */
  readonly process: SimulatedProcess;
  readonly random: Random;
  readonly faults: () => ExecutorFaults;
  readonly answers: AnswerCounts;
  readonly isWhole: (part: LocalChunk) => boolean;
  readonly costMs: (plan: ModelPlan) => number;
  readonly model: (key: number) => ModelPlan | undefined;
  readonly onAnswer: (slot: number, answer: QueryAnswer) => void;
  readonly onYielded: (slot: number, by: number) => void;
  readonly onExit: (blame: Blame) => void;
  readonly onKilled: (blame: Blame) => void;
  readonly onSent: (slot: number, message: ToThread) => void;
  readonly onBegin: (query: string) => void;
  readonly onInfer: (slot: number, query: string, inputs: readonly number[]) => void;
}

export class SimulatedChild {
  readonly #ports: ChildPorts;
  readonly #threads: readonly SimulatedThread[];
  readonly #relay: AnswerRelay;
  readonly #answers: AnswerChecks;
  readonly #messageMs: number;
  readonly #microBatch: number;
  #killed: Blame | undefined;
  #isDead = false;

  constructor(threads: number, ports: ChildPorts) {
    this.#ports = ports;
    this.#messageMs = ports.random.pick(messageMs) ?? 0.06;
    this.#microBatch = ports.random.pick(microBatches) ?? 1;
    const { time, process, answers: counts } = ports;
    const isAlive = (): boolean => !this.#isDead && process.isAlive;
    this.#answers = new AnswerChecks(threads, { counts, time, isAlive });
    this.#relay = new AnswerRelay(threads, {
      clock: { after: (ms, run) => this.#after(ms, run) },
      send: (together) => {
        this.#answers.sent(together);
        this.#tell(() => this.#hear(together));
      },
    });
    this.#threads = Array.from({ length: threads }, (_, slot) => this.#thread(slot));
  }

  /** It has been killed, or has ended. */
  get gone(): boolean {
    return this.#killed !== undefined || this.#isDead;
  }

  /** The longest that a word to a thread and its effect may take, ms. */
  get roundTripMs(): number {
    return 2 * this.#messageMs;
  }

  microBatch(plan: ModelPlan): number {
    return Math.min(
      this.#microBatch,
      Math.max(1, Math.floor(runTargetMs / this.#ports.costMs(plan))),
    );
  }

  send(slot: number, message: ToThread): void {
    if (this.gone) return;
    const { kind } = message;
    if (kind === "load" || kind === "inspect" || kind === "close")
      throw new Error(`no simulated thread is told to ${kind}`);
    this.#ports.onSent(slot, message);
    this.#later(this.#messageMs, () => {
      this.#answers.given(slot, message);
      this.#relay.given(slot, message);
      this.#threads[slot]?.receive(message);
    });
  }

  /** SIGKILL. The first reason given counts. */
  kill(blame: Blame): void {
    if (this.gone) return;
    this.#killed = blame;
    this.#ports.onKilled(blame);
    const [least, most] = killMs;
    this.#later(this.#ports.random.between(least, most), () => this.#end());
  }

  #thread(slot: number): SimulatedThread {
    const { time, model, costMs, isWhole, onBegin, onInfer } = this.#ports;
    return new SimulatedThread({
      now: () => time.now,
      later: (ms, run) => this.#later(ms, run),
      send: (message) => this.#answers.said(slot, message, () => this.#relay.said(slot, message)),
      model,
      microBatch: (plan) => this.microBatch(plan),
      costMs,
      isWhole,
      fate: (runs) => this.#fate(runs),
      slowness: () => this.#slowness(),
      crash: () => this.#end(),
      begins: onBegin,
      infers: (query, inputs) => onInfer(slot, query, inputs),
    });
  }

  #fate(runs: number): Fate | undefined {
    const { random, faults } = this.#ports;
    const { dies, hangs } = faults();
    const at = random.between(0, Math.max(0, runs - 1));
    if (random.chance(hangs, 1_000)) return { at, end: "hangs" };
    return random.chance(dies, 1_000) ? { at, end: "dies" } : undefined;
  }

  #slowness(): number {
    const { random, faults } = this.#ports;
    return random.chance(faults().isLate, 1_000) ? 20 : random.between(80, 120) / 100;
  }

  #end(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    const blame = this.#killed ?? { kind: "unknown", why: "its process died" };
    this.#tell(() => this.#ports.onExit(blame));
  }

  #hear(together: readonly Upward[]): void {
    const { onAnswer, onYielded } = this.#ports;
    for (const { slot, message } of together)
      if (message.kind === "yielded") onYielded(slot, message.by);
      else if ("id" in message) onAnswer(slot, message);
  }

  #after(ms: number, run: () => void): { readonly cancel: () => void } {
    let isCancelled = false;
    this.#later(ms, () => {
      if (!isCancelled) run();
    });
    return { cancel: () => (isCancelled = true) };
  }

  /** What was said before an end is heard before it. */
  #tell(hear: () => void): void {
    this.#ports.process.later(this.#messageMs, hear);
  }

  #later(ms: number, run: () => void): void {
    const { time, process } = this.#ports;
    time.after(ms, () => {
      if (!this.#isDead && process.isAlive) run();
    });
  }
}
