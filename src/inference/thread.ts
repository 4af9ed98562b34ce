/**
 * A slot's worker thread: loads models, and runs queries one after the other in the order in which they came.
 * It holds the query it runs and those sent ahead of time, whose images it decodes meanwhile. Asked to yield, it
 * stands still before its next micro-batch, keeping all it has, and does one at least before it stands again.
 */
import { cpus } from "node:os";
import { BroadcastChannel, parentPort } from "node:worker_threads";
import { assert, assertNever } from "../lib/types.ts";
import { type FoundFor, keepFinding, readFinding } from "./findings.ts";
import type { Target } from "./image.ts";
import { checkPreprocessing } from "./model-signature.ts";
import { inspectNetwork, OnnxModel, onnxruntimeVersion, text } from "./onnx.ts";
import { channelsOf, Packer } from "./preprocess.ts";
import type { FromThread, ModelPlan, NetworkFile, ToThread } from "./protocol.ts";
import { runQuery, ThreadModel } from "./query-runner.ts";
import { decodeAhead, ThreadQuery } from "./thread-query.ts";

/** Two micro-batches, so that one is ready when the other is done, and for small ones what the pool can take. */
const MIN_AHEAD = 4;
/** Decoded pixels held per thread; matters only for networks with huge inputs. */
const MAX_AHEAD_BYTES = 64 * 1024 * 1024;

/** What a thread tells the others of its process. */
interface Found {
  readonly network: string;
  readonly microBatch: number;
}

class SlotThread {
  readonly #send: (message: FromThread) => void;
  readonly #tell: (found: Found) => void;
  readonly #models = new Map<number, ThreadModel>();
  /** The first is the one that runs. */
  readonly #queries: ThreadQuery[] = [];
  #busy = false;
  /** Whom it is to stand still for. */
  #yieldTo: number | undefined;
  /** Ends the standing still. */
  #goOn: () => void = () => undefined;

  /** @param tell reaches the other threads of the process */
  constructor(send: (message: FromThread) => void, tell: (found: Found) => void) {
    this.#send = send;
    this.#tell = tell;
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
      case "run": {
        const model = this.#models.get(message.model);
        if (model === undefined) {
          // Unloaded between the request and its turn, in a process that never had it.
          this.#send({ kind: "failed", id: message.id, why: "its model is not loaded" });
          return;
        }
        this.#queries.push(new ThreadQuery(message, targetOf(model.plan)));
        this.#refill();
        // Never rejects: what goes wrong is answered.
        if (!this.#busy) void this.#work();
        return;
      }
      case "cancel":
        for (const query of this.#queries) if (query.id === message.id) query.cancelled = true;
        if (this.#queries[0]?.cancelled === true) this.#goOn();
        return;
      case "yield":
        this.#yieldTo = message.by;
        return;
      case "resume":
        if (this.#yieldTo !== message.by) return;
        this.#yieldTo = undefined;
        this.#goOn();
        return;
      case "recall": {
        const at = this.#queries.findIndex(({ id }) => id === message.id);
        if (at < 1) return; // It has begun, or is done: its answer is on its way.
        this.#queries.splice(at, 1);
        this.#send({ kind: "recalled", id: message.id });
        return;
      }
      default:
        assertNever(message, "message to a thread");
    }
  }

  async #load(plan: ModelPlan): Promise<void> {
    try {
      // Also of a network that is open already for another plan.
      checkPreprocessing(plan);
      const identity = networkOf(plan);
      const known = [...this.#models.values()].find((model) => networkOf(model.plan) === identity);
      const onnx = known?.onnx ?? (await OnnxModel.open(plan, new Packer(plan).shape(1)));
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

  async #work(): Promise<void> {
    this.#busy = true;
    for (let query = this.#queries[0]; query !== undefined; query = this.#queries[0]) {
      const message = await this.#run(query);
      this.#queries.shift();
      this.#send(message);
    }
    this.#busy = false;
  }

  async #run(query: ThreadQuery): Promise<FromThread> {
    const { id } = query;
    try {
      const end = await runQuery(query, this.#model(query.model), {
        boundary: () => this.#boundary(query),
        refill: () => this.#refill(),
        onProgress: (inputsDone) => this.#send({ kind: "progress", id, inputsDone }),
      });
      return { ...end, id };
    } catch (error) {
      return { kind: "failed", id, why: text(error) };
    }
  }

  /** Before each micro-batch. */
  async #boundary(query: ThreadQuery): Promise<void> {
    const by = this.#yieldTo;
    if (by === undefined || query.cancelled) return;
    this.#send({ kind: "yielded", by });
    await new Promise<void>((resolve) => (this.#goOn = resolve));
  }

  #refill(): void {
    const [running] = this.#queries;
    if (running === undefined) return;
    const { micro, packer } = this.#model(running.model);
    const fitting = Math.floor(MAX_AHEAD_BYTES / packer.imageValues);
    decodeAhead(this.#queries, Math.max(1, Math.min(fitting, Math.max(MIN_AHEAD, 2 * micro.size))));
  }

  #model(key: number): ThreadModel {
    const model = this.#models.get(key);
    assert(model !== undefined, `model ${key} is loaded before it is used`);
    return model;
  }
}

/** Plans that differ only in how they normalise, or in `topK`, share one network. */
function networkOf({ sha256, input, output, preprocessing }: ModelPlan): string {
  return JSON.stringify([sha256, input, output, channelsOf(preprocessing)]);
}

function targetOf({ input, preprocessing }: ModelPlan): Target {
  const { width, height } = input;
  const { resize, shortSide } = preprocessing;
  return { width, height, resize, shortSide };
}

const port = parentPort;
assert(port !== null, "thread.ts runs in a worker thread");
/** What the system calls this machine's CPU; unlike ones in one machine count as the first. */
const cpu = cpus()[0]?.model ?? "unknown";
const others = new BroadcastChannel("micro-batches");
const slot = new SlotThread(
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
