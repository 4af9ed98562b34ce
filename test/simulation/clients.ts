/**
 * The users of a simulated cluster. Each asks some node, asks another one under the same idempotency key when no answer
 * comes, and writes down what it asked and heard: the histories that linearizability.ts judges.
 *
 *  U1 what was acknowledged is there: a file's newest version has the bytes that were put, in as many copies as said;
 *  U2 an answer never says that something went wrong inside (INTERNAL, MALFORMED).
 */
import { asIDunnoError } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";
import { NodeId } from "../../src/lib/types.ts";
import type { Services } from "../../src/node/services.ts";
import type { FileInput, FileOutput, RegisterInput, RegisterOutput } from "./history/models.ts";
import type { Operation } from "./history/operation.ts";
import { inputsFolder, JobRequests, modelNames } from "./job-requests.ts";
import type { Step } from "./plan.ts";
import { bytesOf, type Outcome, refusals, retried, textOf } from "./requests.ts";
import type { World } from "./world.ts";

type Request = Extract<Step, { kind: "operation" }>;

/** How long a client tries, and how long it waits for one node, ms. */
const patienceMs = 12_000;
const tryMs = 3_000;
const pauseMs = 50;

/** Few, so that clients meet. */
const settingNames = ["x-a", "x-b", "x-c"] as const;
const filePaths = ["docs/a", "docs/b", "docs/c", "docs/d"] as const;
export class Clients {
  readonly settings: Operation<RegisterInput, RegisterOutput>[] = [];
  readonly files: Operation<FileInput, FileOutput>[] = [];
  /** Requests by how they ended. */
  readonly counts = { done: 0, refused: 0, unknown: 0 };
  /** Acknowledged versions: path@version → what it holds. */
  readonly acknowledged = new Map<string, string>();
  readonly #world: World;
  readonly #jobs: JobRequests;
  #underWay = 0;
  #made = 0;

  constructor(world: World) {
    this.#world = world;
    this.#jobs = new JobRequests({
      product: world.product,
      newName: () => `job ${(this.#made += 1)}`,
      decide: async (random, work) => this.#decide(random, work),
    });
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Carries a step out, in the background. */
  begin(step: Request): void {
    this.#underWay += 1;
    this.#perform(step)
      .catch((error: unknown) => this.#world.time.fail(error))
      .finally(() => {
        this.#underWay -= 1;
      });
  }

  async #perform({ what, client, seed }: Request): Promise<void> {
    const random = new Random(seed);
    switch (what) {
      case "set":
        return this.#set(client, random);
      case "get":
        return this.#get(client, random);
      case "put":
        return this.#put(client, random);
      case "remove":
        return this.#remove(client, random);
      case "read":
        return this.#read(client, random);
      case "submit":
        return this.#jobs.submit(random);
      case "retryJob":
        return this.#jobs.retry(random);
      case "setJob":
      case "pauseJob":
      case "resumeJob":
      case "cancelJob":
        return this.#jobs.steer(what, random);
    }
  }

  // --- settings -----------------------------------------------------------------------------------------------------

  async #set(client: number, random: Random): Promise<void> {
    const name = random.pick(settingNames) ?? "x-a";
    const isRemoval = random.chance(1, 12);
    const value = `v${(this.#made += 1)}`;
    const input: RegisterInput = isRemoval ? { kind: "remove" } : { kind: "write", value };
    const operation = { kind: "set-setting", name, value: isRemoval ? undefined : value } as const;
    const call = this.#tick();
    const outcome = await this.#decide(random, async ({ coordination }, key, signal) =>
      coordination.decide(operation, { key, signal }),
    );
    const known = { client, key: name, call, input };
    if (outcome.kind === "done")
      this.settings.push({ ...known, return: this.#tick(), output: { kind: "ok" } });
    else if (outcome.kind === "unknown")
      this.settings.push({ ...known, return: undefined, output: undefined });
    else this.settings.push({ ...known, return: this.#tick(), output: { kind: "not-found" } });
  }

  async #get(client: number, random: Random): Promise<void> {
    const name = random.pick(settingNames) ?? "x-a";
    const call = this.#tick();
    const outcome = await this.#ask(random, async ({ coordination, machine }, signal) => {
      await coordination.linearize(signal);
      return machine.settings.get(name)?.value;
    });
    if (outcome.kind !== "done") return;
    const { value } = outcome;
    this.settings.push({
      client,
      key: name,
      call,
      return: this.#tick(),
      input: { kind: "read" },
      output: value === undefined ? { kind: "not-found" } : { kind: "value", value },
    });
  }

  // --- files --------------------------------------------------------------------------------------------------------

  /** Puts something by a name of its own, as set-up does. */
  async store(path: string, content: string, random: Random): Promise<boolean> {
    const outcome = await this.#decide(random, async ({ files }, key, signal) =>
      files.put(path, bytesOf(content), { key, ifVersion: undefined, signal }),
    );
    return outcome.kind === "done";
  }

  async #put(client: number, random: Random): Promise<void> {
    // Some contents are put again and again: their chunks are shared. The checker wants each content once.
    if (random.chance(1, 5)) {
      await this.store(`shared/${random.between(1, 3)}`, `shared ${random.between(1, 3)}`, random);
      return;
    }
    const path = random.pick(filePaths) ?? "docs/a";
    const content = `content ${(this.#made += 1)}`;
    const ifVersion = random.chance(1, 4) ? random.between(0, 4) : undefined;
    const call = this.#tick();
    const outcome = await this.#decide(random, async ({ files }, key, signal) => {
      const { version, copies } = await files.put(path, bytesOf(content), {
        key,
        ifVersion,
        signal,
      });
      return { version, copies };
    });
    const known = { client, key: path, call, input: { kind: "put", content, ifVersion } as const };
    if (outcome.kind === "done") {
      const { version } = outcome.value;
      this.files.push({ ...known, return: this.#tick(), output: { kind: "stored", version } });
      this.acknowledged.set(`${path}@${version}`, content);
    } else if (outcome.kind === "unknown")
      this.files.push({ ...known, return: undefined, output: undefined });
    else {
      const isGone = outcome.error.code === "NOT_FOUND";
      const output: FileOutput = { kind: isGone ? "not-found" : "conflict" };
      this.files.push({ ...known, return: this.#tick(), output });
    }
  }

  async #remove(client: number, random: Random): Promise<void> {
    if (random.chance(1, 2)) return this.#purge(random);
    const path = random.pick(filePaths) ?? "docs/a";
    const purge = random.chance(1, 2) ? true : undefined;
    const call = this.#tick();
    const outcome = await this.#decide(random, async ({ coordination }, key, signal) =>
      coordination.decide({ kind: "remove-file", path, purge }, { key, signal }),
    );
    const known = { client, key: path, call, input: { kind: "remove" } as const };
    if (outcome.kind === "done")
      this.files.push({ ...known, return: this.#tick(), output: { kind: "removed" } });
    else if (outcome.kind === "unknown")
      this.files.push({ ...known, return: undefined, output: undefined });
    else this.files.push({ ...known, return: this.#tick(), output: { kind: "not-found" } });
  }

  /**
   * Jobs that run go on with what they found, and models with what they are, though nobody else can have it any more;
   * and shared contents that are garbage are put again just when they are collected.
   */
  async #purge(random: Random): Promise<void> {
    const n = random.between(0, this.#world.plan.inputs - 1);
    const input = `${inputsFolder}${n}.jpg`;
    const path = random.pick([
      input,
      `shared/${random.between(1, 3)}`,
      `shared/${random.between(1, 3)}`,
      `models/${random.pick(modelNames) ?? ""}.onnx`,
    ]);
    if (path === undefined) return;
    await this.#decide(random, async ({ coordination }, key, signal) =>
      coordination.decide({ kind: "remove-file", path, purge: true }, { key, signal }),
    );
    if (path === input) await this.store(path, `picture ${n % 20} ${(this.#made += 1)}`, random);
  }

  async #read(client: number, random: Random): Promise<void> {
    const path = random.pick(filePaths) ?? "docs/a";
    const call = this.#tick();
    const outcome = await this.#ask(random, async ({ coordination, files }, signal) => {
      await coordination.linearize(signal);
      const record = files.stat(path);
      return { version: record.version, content: await textOf(files.read(record, signal)) };
    });
    if (outcome.kind === "unknown") return;
    const output: FileOutput =
      outcome.kind === "refused" ? { kind: "not-found" } : { kind: "found", ...outcome.value };
    const known = { client, key: path, call, return: this.#tick() };
    this.files.push({ ...known, input: { kind: "read" }, output });
  }

  /** U1: reads every acknowledged version that the catalog still keeps. Returns how many. */
  async readAll(random: Random): Promise<number> {
    let readable = 0;
    for (const [id, content] of this.acknowledged) {
      const [path = "", version = ""] = id.split("@");
      const outcome = await this.#ask(random, async ({ coordination, files }, signal) => {
        await coordination.linearize(signal);
        return textOf(files.read(files.stat(path, Number(version)), signal));
      });
      // More than the newest five, or removed.
      if (outcome.kind === "refused" && outcome.error.code === "NOT_FOUND") continue;
      if (outcome.kind !== "done") throw new Error(`U1: ${id} was acknowledged, not to be read`);
      if (outcome.value !== content) throw new Error(`U1: ${id} holds ${outcome.value}`);
      readable += 1;
    }
    return readable;
  }

  /** Something that only one who looks after the cluster does. */
  async operate(
    random: Random,
    work: (services: Services, key: string, signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    this.#underWay += 1;
    try {
      await this.#decide(random, work);
    } finally {
      this.#underWay -= 1;
    }
  }

  // --- asking -------------------------------------------------------------------------------------------------------

  /** A change, under one key however often it is asked for. */
  async #decide<T>(
    random: Random,
    work: (services: Services, key: string, signal: AbortSignal) => Promise<T>,
  ): Promise<Outcome<T>> {
    const minted = await this.#try(random, async ({ coordination }) => coordination.mintKey());
    // Nothing was asked for yet.
    if (minted.kind !== "done") return this.#ended({ kind: "unknown" });
    const { value: key } = minted;
    return this.#ended(await this.#try(random, async (node, signal) => work(node, key, signal)));
  }

  async #ask<T>(
    random: Random,
    work: (services: Services, signal: AbortSignal) => Promise<T>,
  ): Promise<Outcome<T>> {
    return this.#ended(await this.#try(random, work));
  }

  #ended<T>(outcome: Outcome<T>): Outcome<T> {
    this.counts[outcome.kind] += 1;
    return outcome;
  }

  async #try<T>(
    random: Random,
    work: (services: Services, signal: AbortSignal) => Promise<T>,
  ): Promise<Outcome<T>> {
    const { time } = this.#world;
    const end = time.now + patienceMs;
    let isUnsure = false;
    while (time.now < end) {
      const node = random.pick(this.#world.inside)?.id ?? NodeId("n1");
      try {
        return { kind: "done", value: await this.#world.ask(node, work, tryMs) };
      } catch (caught) {
        const error = asIDunnoError(caught);
        const { code } = error;
        if (code === "INTERNAL" || code === "MALFORMED")
          throw new Error(`U2: ${node} answers ${error.message}`, { cause: caught });
        if (refusals.has(code)) return { kind: "refused", error };
        isUnsure = true;
        if (!retried.has(code)) break;
      }
      await new Promise<void>((resolve) => time.after(pauseMs, resolve));
    }
    if (!isUnsure) throw new Error("a request ended without an answer or an error");
    return { kind: "unknown" };
  }

  /** A moment for the history: no two are the same. */
  #tick(): number {
    return this.#world.moment();
  }
}
