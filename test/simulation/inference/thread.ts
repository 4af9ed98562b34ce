/**
 * A thread of a simulated executor: the production code that holds, runs and yields queries (inference/slot-thread.ts,
 * query-runner.ts) over a network that takes virtual time. Inside it the thread hears nothing, as inside the real one.
 */
import type { Item } from "../../../src/inference/feeder.ts";
import type { FromThread, ModelPlan, ToThread } from "../../../src/inference/protocol.ts";
import { type QueryEnd, runQuery, type RunnerPorts } from "../../../src/inference/query-runner.ts";
import { type HeldQuery, SlotThread, type ToQueue } from "../../../src/inference/slot-thread.ts";
import type { ReadyInput } from "../../../src/inference/thread-query.ts";
import type { InputFile, LocalChunk } from "../../../src/inference/types.ts";
import { imageOf, inputOf, oracleOf, rowOf } from "./oracle.ts";

/** What becomes of a query beside what its inputs do. */
export interface Fate {
  /** At its first, second, ... run of the network, from 0. */
  readonly at: number;
  readonly end: "dies" | "hangs";
}

export interface ThreadPorts {
  /** True milliseconds. */
  readonly now: () => number;
  /** Calls later, if the process still lives then. */
  readonly later: (ms: number, run: () => void) => void;
  readonly send: (message: FromThread) => void;
  readonly model: (key: number) => ModelPlan | undefined;
  /** Images that the network takes at a time. */
  readonly microBatch: (plan: ModelPlan) => number;
  readonly costMs: (plan: ModelPlan) => number;
  readonly isWhole: (part: LocalChunk) => boolean;
  /** Drawn when it begins. @param runs of the network, at most */
  readonly fate: (runs: number) => Fate | undefined;
  /** By how much this run is slower than usual. */
  readonly slowness: () => number;
  /** Ends the process. */
  readonly crash: () => void;
  /** Takes a query's first input. */
  readonly begins: (query: string) => void;
  /** These inputs of a query go into the network. */
  readonly infers: (query: string, inputs: readonly number[]) => void;
}

export class SimulatedThread {
  readonly #ports: ThreadPorts;
  readonly #queue: SlotThread<ThreadQuery>;
  readonly #unread: ToQueue[] = [];
  #isInNetwork = false;

  constructor(ports: ThreadPorts) {
    this.#ports = ports;
    this.#queue = new SlotThread({
      clock: ports,
      send: ports.send,
      open: (message) => this.#open(message),
      run: async (query, hooks) => this.#run(query, hooks),
      refill: () => undefined,
    });
  }

  receive(message: ToQueue): void {
    if (this.#isInNetwork || this.#unread.length > 0) this.#unread.push(message);
    else this.#queue.receive(message);
  }

  #open({ id, model, inputs }: Extract<ToThread, { readonly kind: "run" }>) {
    const plan = this.#ports.model(model);
    return plan === undefined ? undefined : new ThreadQuery(id, { plan, inputs }, this.#ports);
  }

  async #run(query: ThreadQuery, hooks: Omit<RunnerPorts, "clock">): Promise<QueryEnd> {
    const { now, later, microBatch } = this.#ports;
    const clock = { now, soon: (run: () => void) => later(0, run) };
    const { plan } = query;
    const model = {
      plan,
      micro: { size: microBatch(plan) },
      run: async (images: readonly Item[]) => this.#infer(query, images.map(inputOf)),
    };
    try {
      return await runQuery(query, model, { ...hooks, clock });
    } catch (error) {
      return { kind: "failed", why: String(error) };
    }
  }

  async #infer(query: ThreadQuery, inputs: readonly number[]): Promise<Float32Array[][]> {
    const { later, costMs, slowness, infers, crash } = this.#ports;
    infers(query.id, inputs);
    const ms = costMs(query.plan) * inputs.length * slowness();
    const end = query.endOf(inputs);
    this.#isInNetwork = true;
    await new Promise<void>((resolve) => {
      if (end === "dies") later(ms / 2, crash);
      else if (end !== "hangs") later(ms, resolve);
    });
    this.#isInNetwork = false;
    later(0, () => this.#read());
    return inputs.map((input) => [rowOf(query.oracle(input))]);
  }

  /** What came while the network ran, unless it runs again. */
  #read(): void {
    if (this.#isInNetwork) return;
    for (const message of this.#unread.splice(0)) this.#queue.receive(message);
  }
}

/** As inference/thread-query.ts has it, without images. */
class ThreadQuery implements HeldQuery {
  readonly id: string;
  readonly plan: ModelPlan;
  readonly inputs: readonly InputFile[];
  /** No network here gives arrays. */
  readonly tensorsTo = undefined;
  cancelled = false;
  readonly #ports: Pick<ThreadPorts, "begins" | "isWhole" | "fate">;
  #fate: Fate | undefined;
  #taken = 0;
  #runs = 0;

  constructor(
    id: string,
    { plan, inputs }: { readonly plan: ModelPlan; readonly inputs: readonly InputFile[] },
    ports: Pick<ThreadPorts, "begins" | "isWhole" | "fate">,
  ) {
    this.id = id;
    this.plan = plan;
    this.inputs = inputs;
    this.#ports = ports;
  }

  oracle(input: number): ReturnType<typeof oracleOf> {
    return oracleOf(this.plan.sha256, this.inputs[input] ?? { parts: [] });
  }

  async take(): Promise<ReadyInput | undefined> {
    const at = this.#taken;
    const input = this.inputs[at];
    if (input === undefined) return undefined;
    this.#taken += 1;
    if (at === 0) this.#ports.begins(this.id);
    const bad = input.parts.find((part) => !this.#ports.isWhole(part));
    if (bad !== undefined) return { kind: "damaged", hash: bad.hash, why: "its bytes" };
    return this.oracle(at) === "unreadable" ? { kind: "error", code: "unreadable" } : imageOf(at);
  }

  /** What this run of the network does to its process. */
  endOf(inputs: readonly number[]): Fate["end"] | undefined {
    const run = this.#runs;
    this.#runs += 1;
    if (run === 0) this.#fate = this.#ports.fate(Math.ceil(this.inputs.length / inputs.length));
    for (const input of inputs) {
      const output = this.oracle(input);
      if (output === "killed_executor") return "dies";
      if (output === "timed_out") return "hangs";
    }
    return this.#fate?.at === run ? this.#fate.end : undefined;
  }
}
