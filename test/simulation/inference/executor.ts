/**
 * The executor as the simulation has it. What lets jobs take turns, hands queries out, lets newcomers go first and minds time-outs
 * is the production code (inference/interleaver.ts, dispatcher.ts); the process with its threads is simulated (child.ts), and so are suspects.
 * Executors die, hang and are slow.
 */
import { IDunnoError } from "../../../src/lib/errors.ts";
import { cancelled, Dispatcher } from "../../../src/inference/dispatcher.ts";
import type { Blame } from "../../../src/inference/executor-process.ts";
import { Interleaver } from "../../../src/inference/interleaver.ts";
import { type ModelPlan, planOf } from "../../../src/inference/protocol.ts";
import { SharedQuery } from "../../../src/inference/shared-query.ts";
import { Ticket } from "../../../src/inference/ticket.ts";
import type {
  InputOutput,
  LocalChunk,
  LocalModel,
  QueryRequest,
  QueryResult,
} from "../../../src/inference/types.ts";
import type { Network } from "../../../src/lib/network.ts";
import type { Random } from "../../../src/lib/random.ts";
import type { Inference } from "../../../src/node/ports.ts";
import type { AnswerCounts } from "../checks/answers.ts";
import { PreemptionChecks, type PreemptionCounts } from "../checks/preemption.ts";
import type { SimulatedProcess } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { type ExecutorFaults, SimulatedChild } from "./child.ts";
import { oracleOf } from "./oracle.ts";

export const calmExecutor: ExecutorFaults = { dies: 0, hangs: 0, isLate: 0 };

/** A process starts in so many ms. */
const startMs = 300;
/** After one that ended by itself, as inference/supervisor.ts has it, ms. */
const pauseMs = 100;
const loadMs = 20;

export interface SimulatedExecutorPorts {
  readonly time: VirtualTime;
  readonly process: SimulatedProcess;
  readonly random: Random;
  readonly faults: () => ExecutorFaults;
  readonly counts: PreemptionCounts;
  readonly answers: AnswerCounts;
  /** Whether a chunk's bytes, as they lie on this machine now, are what its name says. */
  readonly isWhole: (part: LocalChunk) => boolean;
  /** Milliseconds that an input takes with the model of this SHA-256 on this machine. */
  readonly costMs: (modelSha256: string) => number;
}

/** A model that was asked for. */
interface Entry {
  readonly plan: ModelPlan;
  readonly loading: Promise<void>;
  isLoaded: boolean;
}

/** A suspect, in a process of its own. */
interface Alone {
  readonly request: QueryRequest;
  readonly end: (outcome: QueryResult | IDunnoError) => void;
}

export class SimulatedExecutor implements Inference {
  readonly slots: number;
  /** More than a simulation adds. */
  readonly loadedModels = 16;
  readonly pid = undefined;
  readonly checks: PreemptionChecks;
  readonly #ports: SimulatedExecutorPorts;
  readonly #dispatcher: Dispatcher;
  readonly #interleaver: Interleaver;
  readonly #models = new Map<string, Entry>();
  readonly #alone = new Set<Alone>();
  #child: SimulatedChild | undefined;
  /** Whether its process can take queries. */
  #isReady = false;
  #order = 0;
  /** What the dispatcher has heard. */
  #heard = 0;

  constructor(slots: number, ports: SimulatedExecutorPorts) {
    this.slots = slots;
    this.#ports = ports;
    const { process } = ports;
    this.checks = new PreemptionChecks(slots, {
      ...ports,
      isLive: () => this.#live !== undefined,
      beginsWithinMs: ({ request }) => ports.costMs(request.model.sha256) + this.#roundTripMs,
    });
    this.#dispatcher = new Dispatcher(
      { slots, hasSpare: true },
      { clock: process, live: () => this.#live, onIdle: () => undefined },
    );
    this.#interleaver = new Interleaver(slots, {
      clock: process,
      run: async (request, plan) => this.#runPiece(request, plan),
      cancel: (id) => {
        this.checks.cancelled(id);
        this.#dispatcher.cancel(id);
      },
      onEmpty: () => undefined,
    });
    this.#start();
  }

  get running(): number {
    return this.#dispatcher.running;
  }

  get queued(): number {
    return this.#interleaver.queued;
  }

  get queriesRun(): ReadonlyMap<string, number> {
    return this.#interleaver.queriesRun;
  }

  async load(model: LocalModel): Promise<{ readonly loadMs: number }> {
    await this.#entry(model).loading;
    return { loadMs };
  }

  isLoaded(): boolean {
    return true;
  }

  unload(): void {
    // Nothing is kept.
  }

  async validate(): Promise<void> {
    // Every model of the simulation will do.
  }

  async inspect(): Promise<Network> {
    return { inputs: [], outputs: [] };
  }

  /** As inference/executor.ts has it. */
  async run(
    request: QueryRequest,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<QueryResult> {
    const { id, model } = request;
    if (signal?.aborted === true) throw cancelled(id);
    if (this.#interleaver.has(id))
      throw new IDunnoError("CONFLICT", { what: `query ${id}`, why: "it is under way" });
    const entry = this.#entry(model);
    const query = new SharedQuery(request, { clock: this.#ports.process });
    this.#interleaver.accept(query);
    const place = (): void => this.#interleaver.place(query, entry.plan);
    if (entry.isLoaded) place();
    else void entry.loading.then(place); // never fails
    const abort = (): void => this.cancel(id);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const result = await query.answer;
      this.checks.answered(request, result);
      return result;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #runPiece(request: QueryRequest, plan: ModelPlan): Promise<QueryResult> {
    const ticket = new Ticket({ request, plan }, { order: this.#order }, this.#ports.process);
    this.#order += 1;
    this.checks.accepted(ticket);
    this.checks.placed(ticket, () => this.#dispatcher.place(ticket));
    this.#checkSoon();
    try {
      return await ticket.answer;
    } catch (error) {
      this.checks.rejected(request.id, error);
      throw error;
    }
  }

  /** In a process of its own, which takes a moment to start. */
  async runAlone(
    request: QueryRequest,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<QueryResult> {
    if (signal?.aborted === true) throw cancelled(request.id);
    return new Promise((resolve, reject) => {
      const abort = (): void => alone.end(cancelled(request.id));
      const alone: Alone = {
        request,
        end: (outcome) => {
          signal?.removeEventListener("abort", abort);
          this.#alone.delete(alone);
          if (outcome instanceof IDunnoError) reject(outcome);
          else resolve(outcome);
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#alone.add(alone);
      this.#ports.process.after(startMs, () => this.#beginAlone(alone));
    });
  }

  cancel(id: string): void {
    this.#interleaver.cancel(id);
    for (const alone of this.#alone) if (alone.request.id === id) alone.end(cancelled(id));
  }

  get #live(): SimulatedChild | undefined {
    return this.#isReady && this.#child?.gone === false ? this.#child : undefined;
  }

  get #roundTripMs(): number {
    return this.#child?.roundTripMs ?? 0;
  }

  #entry(model: LocalModel): Entry {
    const known = this.#models.get(model.sha256);
    if (known !== undefined) return known;
    const load = async (): Promise<void> =>
      new Promise((resolve) => this.#ports.process.later(loadMs, resolve));
    const entry: Entry = {
      plan: planOf(model, this.#models.size),
      loading: this.#dispatcher.duringLoad(load).then(() => {
        entry.isLoaded = true;
      }),
      isLoaded: false,
    };
    this.#models.set(model.sha256, entry);
    return entry;
  }

  // --- its process --------------------------------------------------------------------------------------------------

  #start(): void {
    const { time, process, random, faults, answers, isWhole, costMs } = this.#ports;
    this.#child = new SimulatedChild(this.slots + 1, {
      time,
      process,
      random: random.fork(),
      faults,
      answers,
      isWhole,
      costMs: ({ sha256 }) => costMs(sha256),
      model: (key) => [...this.#models.values()].find(({ plan }) => plan.key === key)?.plan,
      onAnswer: (slot, answer) => {
        this.checks.heard(slot, answer);
        this.#dispatcher.onAnswer(slot, answer);
        this.#checkSoon();
      },
      onYielded: (slot, by) => {
        this.checks.heardYielded(slot, by);
        this.#dispatcher.onYielded(slot, by);
      },
      onSent: (slot, message) => this.checks.sent(slot, message),
      onKilled: (blame) => {
        if (blame.kind === "query") this.checks.killedFor(blame.id);
      },
      onBegin: (query) => this.checks.begins(query),
      onInfer: (slot, query, inputs) => this.checks.infers(slot, query, inputs),
      onExit: (blame) => this.#ended(blame),
    });
    process.later(startMs, () => {
      this.#isReady = true;
      this.#dispatcher.pump();
      this.#checkSoon();
    });
  }

  /** After what the dispatcher does soon, of whatever else it hears meanwhile. */
  #checkSoon(): void {
    this.#heard += 1;
    const heard = this.#heard;
    this.#ports.process.soon(() => {
      if (heard === this.#heard) this.checks.settled();
    });
  }

  #ended(blame: Blame): void {
    this.#isReady = false;
    this.checks.died(() => this.#dispatcher.onDown(blame));
    this.#ports.process.later(blame.kind === "unknown" ? pauseMs : 0, () => this.#start());
  }

  // --- suspects -----------------------------------------------------------------------------------------------------

  #beginAlone(alone: Alone): void {
    if (!this.#alone.has(alone)) return;
    const { process, costMs } = this.#ports;
    const { model, inputs, timeoutMs } = alone.request;
    const ms = costMs(model.sha256) * inputs.length;
    const end = worst(alone.request);
    if (end === "hangs") process.after(timeoutMs, () => alone.end(failed("timeout")));
    else if (end === "dies") process.after(ms / 2, () => alone.end(failed("query")));
    else process.after(ms, () => alone.end(this.#resultOf(alone.request)));
  }

  #resultOf({ model, inputs }: QueryRequest): QueryResult {
    const parts = inputs.flatMap((input) => input.parts);
    const bad = parts.find((part) => !this.#ports.isWhole(part));
    if (bad !== undefined) return { kind: "damaged", hash: bad.hash, why: "its bytes" };
    const outputs = inputs.map((input): InputOutput => {
      const output = oracleOf(model.sha256, input);
      if (typeof output === "string") return { kind: "error", code: "unreadable" };
      return { kind: "classes", top: [[output[0] ?? 0, output[1] ?? 0]] };
    });
    const totalMs = this.#ports.costMs(model.sha256) * inputs.length;
    const timings = { waitMs: 0, decodeMs: 0, inferMs: totalMs, totalMs, spanMs: totalMs };
    return { kind: "done", outputs, timings };
  }
}

/** What the first input that the network cannot bear does to the executor. */
function worst({ model, inputs }: QueryRequest): "dies" | "hangs" | undefined {
  for (const input of inputs) {
    const output = oracleOf(model.sha256, input);
    if (output === "killed_executor") return "dies";
    if (output === "timed_out") return "hangs";
  }
  return undefined;
}

function failed(during: "query" | "timeout"): IDunnoError {
  const why = during === "timeout" ? "a query took too long" : "its process died";
  return new IDunnoError("EXECUTOR_FAILED", { why, during });
}
