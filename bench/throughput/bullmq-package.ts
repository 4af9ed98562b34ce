/**
 * As much of BullMQ as is used here. It is no dependency of ours: whoever wants to see it beside IDunno installs it
 * together with Redis, and without them it is left out.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { IDunnoError } from "../../src/lib/errors.ts";

export interface BullmqConnection {
  readonly host: string;
  readonly port: number;
}

interface Connected {
  readonly connection: BullmqConnection;
}

export interface BullmqQueue {
  addBulk(
    jobs: readonly { readonly name: string; readonly data: unknown }[],
  ): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

export interface BullmqWorker {
  waitUntilReady(): Promise<unknown>;
  on(event: "failed", listener: (job: unknown, error: Error) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

export interface Bullmq {
  readonly Queue: new (name: string, options: Connected) => BullmqQueue;
  readonly Worker: new (
    name: string,
    processor: (job: { readonly data: unknown }) => Promise<unknown>,
    options: Connected & { readonly concurrency: number },
  ) => BullmqWorker;
}

/** In order: what is looked for first. */
const packages = ["ioredis", "bullmq"];
const redis = "redis-server";
/** Not a literal, so that the compiler does not look for what need not be there. */
const specifier: string = "bullmq";

/** Why BullMQ cannot be measured beside; nothing when it can. */
export async function missingForBullmq(): Promise<string | undefined> {
  for (const name of packages)
    try {
      import.meta.resolve(name);
    } catch (error) {
      void error;
      return `the package ${name} is not installed`;
    }
  try {
    await promisify(execFile)(redis, ["--version"]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return `${redis} is not on the PATH. Debian: apt-get install ${redis}`;
  }
  return undefined;
}

/** @throws INTERNAL when what is installed has another shape */
export async function loadBullmq(): Promise<Bullmq> {
  const loaded: unknown = await import(specifier);
  if (isBullmq(loaded)) return loaded;
  throw new IDunnoError("INTERNAL", {
    message: "the bullmq that is installed has no Queue or Worker",
  });
}

function isBullmq(loaded: unknown): loaded is Bullmq {
  return (
    typeof loaded === "object" &&
    loaded !== null &&
    "Queue" in loaded &&
    typeof loaded.Queue === "function" &&
    "Worker" in loaded &&
    typeof loaded.Worker === "function"
  );
}
