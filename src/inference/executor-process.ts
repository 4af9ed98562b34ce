/**
 * One executor process as the daemon sees it: starting it, talking to its threads, how it ended.
 * It is started through `nice`, since a nice value set later reaches one thread of many, and detached, so that
 * a Ctrl-C meant for the daemon does not reach it.
 */
import { type ChildProcess, fork } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assertNever } from "../lib/types.ts";
import type {
  Downward,
  FromThread,
  ModelPlan,
  NetworkFile,
  QueryAnswer,
  ToThread,
  Upward,
} from "./protocol.ts";
import { forwardLines } from "./stderr-lines.ts";
import type { LogLine } from "./types.ts";

/** Below everything at the default, above batch work at 19. */
const NICE = "10";
/** Decoders beside the slots' own work: libuv's pool decodes for all threads. */
const SPARE_DECODERS = 2;

/**
 * Lets malloc ask the kernel for huge pages: networks walk through many megabytes of weights at each run. Where the kernel
 * gives them to who asks (transparent_hugepage=madvise, many distributions' default) images per second rise by some 2 %;
 * elsewhere, and without glibc 2.35, nothing changes.
 */
const HUGE_PAGES = "glibc.malloc.hugetlb";

/** The roll call for the threads' start; models have numbers from 0. */
const UP = -1;

/** Whom a process's end is to be laid at. */
export type Blame =
  /** It ended by itself: any query that was running may have done it. */
  | { readonly kind: "unknown"; readonly why: string }
  /** It was killed for this query's sake: the others are innocent. */
  | { readonly kind: "query"; readonly id: string; readonly why: string }
  /** It was killed for another reason. */
  | { readonly kind: "nobody"; readonly why: string };

export type LoadEnd =
  | { readonly kind: "loaded" }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "gone"; readonly blame: Blame };

export type InspectionEnd =
  | Extract<FromThread, { readonly kind: "inspected" | "unusable" }>
  | { readonly kind: "gone"; readonly blame: Blame };

export interface ProcessOptions {
  readonly slots: number;
  readonly log: (line: LogLine) => void;
  readonly onAnswer: (slot: number, answer: QueryAnswer) => void;
  /** The slot's thread stands still for the query of this order of arrival. Default: nobody asks it to. */
  readonly onYielded?: (slot: number, by: number) => void;
}

/** Something every thread is to answer once. */
interface RollCall {
  left: number;
  refusal: string | undefined;
  readonly resolve: (refusal: string | undefined) => void;
}

export class ExecutorProcess {
  readonly #child: ChildProcess;
  readonly #slots: number;
  readonly #onAnswer: ProcessOptions["onAnswer"];
  readonly #onYielded: (slot: number, by: number) => void;
  readonly #loaded = new Set<number>();
  readonly #rollCalls = new Map<number, RollCall>();
  readonly #allUp: Promise<string | undefined>;
  #killed: Blame | undefined;
  #onInspected: (end: InspectionEnd) => void = () => undefined;
  /** Resolves, never rejects, when the process is gone and its last message has been delivered. */
  readonly exited: Promise<Blame>;

  /** @throws Error when the machine cannot start a process */
  constructor({ slots, log, onAnswer, onYielded = () => undefined }: ProcessOptions) {
    this.#slots = slots;
    this.#onAnswer = onAnswer;
    this.#onYielded = onYielded;
    this.#allUp = this.#rollCall(UP);
    const nice = findNice();
    const child = fork(fileURLToPath(new URL("./child.js", import.meta.url)), [String(slots)], {
      ...(nice === undefined
        ? { execArgv: [] }
        : { execPath: nice, execArgv: ["-n", NICE, process.execPath] }),
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: String(slots + SPARE_DECODERS),
        GLIBC_TUNABLES: withHugePages(process.env["GLIBC_TUNABLES"]),
      },
      detached: true,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child = child;
    child.on("message", (message) => {
      for (const upward of message as readonly Upward[]) this.#receive(upward.slot, upward.message);
    });
    if (child.stderr !== null)
      forwardLines(child.stderr, (line) =>
        log({ level: "warn", event: "executor-stderr", pid: child.pid, line }),
      );
    this.exited = new Promise((resolve) => {
      const end = (why: string): void => {
        const blame = this.#killed ?? { kind: "unknown", why };
        // What it said before it died still counts; the channel ends after the last message.
        if (child.connected) child.once("disconnect", () => resolve(blame));
        else resolve(blame);
      };
      child.once("error", (error) => {
        // Also emitted when a message could not be sent; then the exit follows.
        if (child.pid === undefined) end(`it could not be started: ${error.message}`);
        else log({ level: "warn", event: "executor-channel", pid: child.pid, why: error.message });
      });
      child.once("exit", (code, signal) => end(`killed: ${signal ?? `exit code ${code}`}`));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** It has ended, or has been killed and is about to have. */
  get gone(): boolean {
    if (this.#killed !== undefined) return true;
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** The models it holds: for its whole life, since releasing sessions leaks. */
  get loaded(): ReadonlySet<number> {
    return this.#loaded;
  }

  /** Whether all threads answered in time; if not, the process is gone or going. */
  async up(withinMs: number): Promise<boolean> {
    const timer = setTimeout(
      () => this.kill({ kind: "unknown", why: `it did not start within ${withinMs} ms` }),
      withinMs,
    );
    const up = await Promise.race([this.#allUp.then(() => true), this.exited.then(() => false)]);
    clearTimeout(timer);
    return up;
  }

  /** Opens a model in every thread. One that takes longer than `withinMs` ends the process. */
  async load(plan: ModelPlan, withinMs: number): Promise<LoadEnd> {
    const answered = this.#rollCall(plan.key);
    for (let slot = 0; slot < this.#slots; slot += 1) this.send(slot, { kind: "load", plan });
    const late = `it was not loaded within ${withinMs} ms`;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill({ kind: "nobody", why: `model ${plan.name}: ${late}` });
    }, withinMs);
    const end = await Promise.race([
      answered.then((why): LoadEnd =>
        why === undefined ? { kind: "loaded" } : { kind: "refused", why },
      ),
      this.exited.then((blame): LoadEnd => ({ kind: "gone", blame })),
    ]);
    clearTimeout(timer);
    // A refusal may have left the network open in some threads.
    if (!isLate && end.kind !== "gone") this.#loaded.add(plan.key);
    return isLate ? { kind: "refused", why: late } : end;
  }

  /** Has the first thread open a network and say what it is; the caller ends the process afterwards. */
  async inspect(file: NetworkFile, withinMs: number): Promise<InspectionEnd> {
    const answered = new Promise<InspectionEnd>((resolve) => {
      this.#onInspected = resolve;
    });
    this.send(0, { kind: "inspect", file });
    const timer = setTimeout(
      () => this.kill({ kind: "nobody", why: `it did not open within ${withinMs} ms` }),
      withinMs,
    );
    const gone = this.exited.then((blame): InspectionEnd => ({ kind: "gone", blame }));
    const end = await Promise.race([answered, gone]);
    clearTimeout(timer);
    return end;
  }

  /** Tells idle threads to end, and the process with them; kills it when it has not ended in time. */
  async close(withinMs: number): Promise<void> {
    for (let slot = 0; slot < this.#slots; slot += 1) this.send(slot, { kind: "close" });
    const timer = setTimeout(
      () => this.kill({ kind: "nobody", why: `it did not close within ${withinMs} ms` }),
      withinMs,
    );
    await this.exited;
    clearTimeout(timer);
  }

  send(slot: number, message: ToThread): void {
    // A failure to send means it is dying: whoever waits for an answer learns that from `exited`.
    if (this.#child.connected)
      this.#child.send({ slot, message } satisfies Downward, () => undefined);
  }

  /** SIGKILL: the only thing that ends a thread inside a network. The first reason given counts. */
  kill(blame: Blame): void {
    this.#killed ??= blame;
    this.#child.kill("SIGKILL");
  }

  #receive(slot: number, message: FromThread): void {
    switch (message.kind) {
      case "up":
        return this.#answered(UP, undefined);
      case "loaded":
        return this.#answered(message.model, undefined);
      case "refused":
        return this.#answered(message.model, message.why);
      case "inspected":
      case "unusable":
        return this.#onInspected(message);
      case "progress":
      case "done":
      case "damaged":
      case "failed":
      case "unwritten":
      case "cancelled":
      case "recalled":
        return this.#onAnswer(slot, message);
      case "yielded":
        return this.#onYielded(slot, message.by);
      default:
        assertNever(message, "message from a thread");
    }
  }

  #rollCall(number: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#rollCalls.set(number, { left: this.#slots, refusal: undefined, resolve });
    });
  }

  #answered(number: number, refusal: string | undefined): void {
    const call = this.#rollCalls.get(number);
    if (call === undefined) return;
    call.left -= 1;
    call.refusal ??= refusal;
    if (call.left > 0) return;
    this.#rollCalls.delete(number);
    call.resolve(call.refusal);
  }
}

/** A user's own setting counts. */
function withHugePages(tunables = ""): string {
  if (tunables.includes(`${HUGE_PAGES}=`)) return tunables;
  return [tunables, `${HUGE_PAGES}=1`].filter((each) => each !== "").join(":");
}

function findNice(): string | undefined {
  if (process.platform !== "linux") return undefined;
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "nice"))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch (error) {
        // Not in this folder.
        void error;
        return false;
      }
    });
}
