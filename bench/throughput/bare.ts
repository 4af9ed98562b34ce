/** The bare loop as the benchmark sees it: one process with some threads, or several with one thread each. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { IDunnoError } from "../../src/lib/errors.ts";
import type { FromBare, ToBare } from "./bare-child.ts";
import type { BareRun, BareThreadData } from "./bare-thread.ts";
import { endAll } from "../children.ts";

/** Decoders beside the threads, as many as the executor adds. */
const spareDecoders = 2;

export interface BareOptions extends Omit<BareThreadData, "first"> {
  readonly processes: number;
  readonly threadsPerProcess: number;
}

export interface BareSettings extends Omit<BareRun, "decoded"> {
  /** Of each process: the first so many; by default all. */
  readonly threads?: number;
  /** Only the network: images are decoded before. Default: no. */
  readonly decoded?: boolean;
}

export class BareLoop implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];
  readonly #threads: number;

  private constructor(children: readonly ChildProcess[], threads: number) {
    this.#children = children;
    this.#threads = threads;
  }

  /** Resolves when all networks are loaded and have run once. */
  static async start(options: BareOptions): Promise<BareLoop> {
    const { processes, threadsPerProcess: threads, model, photos } = options;
    const file = fileURLToPath(new URL("./bare-child.js", import.meta.url));
    const env = { ...process.env, UV_THREADPOOL_SIZE: String(threads + spareDecoders) };
    const children = Array.from({ length: processes }, () => fork(file, [], { env }));
    const loop = new BareLoop(children, threads);
    try {
      const message: ToBare = { kind: "start", start: { threads, model, photos } };
      await Promise.all(children.map(async (child) => ask(child, message)));
      return loop;
    } catch (error) {
      await loop[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Images per second of all together, over `ms`. */
  async rate({ ms, batch, threads, decoded = false }: BareSettings): Promise<number> {
    const run = { ms, batch, decoded };
    const message: ToBare = { kind: "run", threads: threads ?? this.#threads, run };
    const answers = await Promise.all(this.#children.map(async (child) => ask(child, message)));
    return answers.reduce(
      (sum, answer) => sum + (answer.kind === "rate" ? answer.imagesPerSecond : 0),
      0,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endAll(this.#children);
  }
}

async function ask(child: ChildProcess, message: ToBare): Promise<FromBare> {
  const ended = new AbortController();
  const exited = once(child, "exit", { signal: ended.signal }).then(() => {
    throw new IDunnoError("INTERNAL", { message: "a process of the bare loop ended" });
  });
  // It rejects when the answer came first: that is the end of waiting, not a failure.
  exited.catch(() => undefined);
  try {
    const answered = once(child, "message", { signal: ended.signal });
    answered.catch(() => undefined);
    child.send(message);
    const [answer] = (await Promise.race([answered, exited])) as [FromBare];
    return answer;
  } finally {
    ended.abort();
  }
}
