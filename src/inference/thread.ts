/**
 * A slot's worker thread: loads models, and runs queries with them, in the order that slot-thread.ts gives. While it runs one
 * it decodes the images of those sent ahead of time.
 */
import { cpus } from "node:os";
import { BroadcastChannel, parentPort } from "node:worker_threads";
import { assert } from "../lib/types.ts";
import { systemClock } from "./clock.ts";
import { type FoundFor, keepFinding, readFinding } from "./findings.ts";
import { feederOf } from "./feeder.ts";
import { checkPreprocessing } from "./model-signature.ts";
import { inspectNetwork, OnnxModel, onnxruntimeVersion, text } from "./onnx.ts";
import { channelsOf } from "./preprocess.ts";
import type { FromThread, ModelPlan, NetworkFile, ToThread } from "./protocol.ts";
import { type QueryEnd, runQuery, type RunnerPorts, ThreadModel } from "./query-runner.ts";
import { SlotThread } from "./slot-thread.ts";
import { Burst, decodeAhead, readAheadOf, ThreadQuery } from "./thread-query.ts";

/** Decoded pixels and arrays held per thread; matters only for networks with huge inputs. */
const MAX_AHEAD_BYTES = 64 * 1024 * 1024;

/** What a thread tells the others of its process. */
interface Found {
  readonly network: string;
  readonly microBatch: number;
}

class ModelThread {
  readonly #send: (message: FromThread) => void;
  readonly #tell: (found: Found) => void;
  readonly #models = new Map<number, ThreadModel>();
  readonly #queue: SlotThread<ThreadQuery>;
  readonly #burst = new Burst(systemClock.now);

  /** @param tell reaches the other threads of the process */
  constructor(send: (message: FromThread) => void, tell: (found: Found) => void) {
    this.#send = send;
    this.#tell = tell;
    this.#queue = new SlotThread({
      clock: systemClock,
      send,
      open: (message) => this.#open(message),
      run: (query, ports) => this.#run(query, ports),
      refill: (queries) => this.#refill(queries),
    });
  }

  /** Handles everything but `close`. */
  receive(message: Exclude<ToThread, { kind: "close" }>): void {
    switch (message.kind) {
      case "load":
        // Never rejects: what goes wrong is answered.
        void this.#load(message.plan);
        return;
      case "inspect":
        // Never rejects: what goes wrong is answered.
        void this.#inspect(message.file);
        return;
      default:
        this.#queue.receive(message);
    }
  }

  async #load(plan: ModelPlan): Promise<void> {
    try {
      // Also of a network that is open already for another plan.
      if (plan.input.kind === "image") checkPreprocessing(plan.input);
      const identity = networkOf(plan);
      const known = [...this.#models.values()].find((model) => networkOf(model.plan) === identity);
      const onnx = known?.onnx ?? (await OnnxModel.open(plan, feederOf(plan).room(1)));
      const model = new ThreadModel(plan, onnx);
      this.#models.set(plan.key, model);
      this.#useFindings(model);
      this.#send({ kind: "loaded", model: plan.key });
    } catch (error) {
      this.#send({ kind: "refused", model: plan.key, why: text(error) });
    }
  }

  /** Another thread has measured: this one need not. */
  adopt({ network, microBatch }: Found): void {
    for (const { plan, micro } of this.#models.values())
      if (networkOf(plan) === network) micro.adopt(microBatch);
  }

  /** Begins with what was found before, and makes known what is found here. */
  #useFindings({ plan, micro }: ThreadModel): void {
    const network = networkOf(plan);
    const of: FoundFor = { path: plan.path, network, runtime: onnxruntimeVersion, cpu };
    const known = readFinding(of);
    if (known !== undefined) micro.adopt(known);
    micro.onFound = (microBatch) => {
      this.#tell({ network, microBatch });
      try {
        keepFinding(of, microBatch);
      } catch (error) {
        // It costs the next start a measurement; the daemon's log shows the line.
        process.stderr.write(`a finding about ${plan.name} is not kept: ${text(error)}\n`);
      }
    };
  }

  async #inspect(file: NetworkFile): Promise<void> {
    try {
      this.#send({ kind: "inspected", network: await inspectNetwork(file) });
    } catch (error) {
      this.#send({ kind: "unusable", why: text(error) });
    }
  }

  #open(message: Extract<ToThread, { readonly kind: "run" }>): ThreadQuery | undefined {
    const model = this.#models.get(message.model);
    return model === undefined ? undefined : new ThreadQuery(message, model.feeder);
  }

  async #run(query: ThreadQuery, ports: Omit<RunnerPorts, "clock">): Promise<QueryEnd> {
    try {
      return await runQuery(query, this.#model(query.model), { ...ports, clock: systemClock });
    } catch (error) {
      return { kind: "failed", why: text(error) };
    }
  }

  #refill(queries: readonly ThreadQuery[]): void {
    const [running] = queries;
    if (running === undefined) return;
    const { micro, feeder } = this.#model(running.model);
    const fitting = Math.max(1, Math.floor(MAX_AHEAD_BYTES / feeder.readyBytes));
    const { low, high } = readAheadOf(micro.size, this.#burst);
    const bounds = { low: Math.min(fitting, low), high: Math.min(fitting, high) };
    void this.#burst.begun(decodeAhead(queries, bounds)); // never rejects
  }

  #model(key: number): ThreadModel {
    const model = this.#models.get(key);
    assert(model !== undefined, `model ${key} is loaded before it is used`);
    return model;
  }
}

/** Plans that differ only in how they normalise, or in `topK`, share one network. */
function networkOf({ sha256, input, output }: ModelPlan): string {
  const fed = input.kind === "image" ? [input.input, channelsOf(input.preprocessing)] : input;
  const { topK: _, ...read } = { topK: undefined, ...output };
  return JSON.stringify([sha256, fed, read]);
}

const port = parentPort;
assert(port !== null, "thread.ts runs in a worker thread");
/** What the system calls this machine's CPU; unlike ones in one machine count as the first. */
const cpu = cpus()[0]?.model ?? "unknown";
const others = new BroadcastChannel("micro-batches");
const slot = new ModelThread(
  (message) => port.postMessage(message),
  (found) => others.postMessage(found),
);
others.onmessage = (event) => slot.adopt((event as { readonly data: Found }).data);
// The port alone keeps the thread alive.
others.unref();
port.on("message", (message: ToThread) => {
  // Sent only when nothing is under way; without its port the thread ends by itself.
  if (message.kind === "close") port.close();
  else slot.receive(message);
});
port.postMessage({ kind: "up" } satisfies FromThread);
