/**
 * What the users of a simulated cluster do with jobs: submit, retry, change, pause, resume and cancel them.
 *
 *  U7 a retry of a job that has ended and has inputs without a result is refused only for an input that is gone.
 */
import type { Random } from "../../src/lib/random.ts";
import { JobId } from "../../src/lib/types.ts";
import { retryJob } from "../../src/node/retry.ts";
import type { Services } from "../../src/node/services.ts";
import { submitJob } from "../../src/node/submission.ts";
import { hasEnded } from "../../src/scheduler/rows.ts";
import type { JobRecord } from "../../src/scheduler/types.ts";
import type { ProductChecks } from "./checks/product.ts";
import type { Outcome } from "./requests.ts";

export const modelNames = ["small", "large"] as const;
/** Inputs of a query, and what that is changed to while a job runs. */
const firstBatchSizes = [1, 2, 3, 8] as const;
const laterBatchSizes = [1, 2, 5, 16] as const;
export const batchSizes: readonly number[] = [...firstBatchSizes, ...laterBatchSizes];
export const inputsFolder = "inputs/";

export interface JobRequestPorts {
  readonly product: ProductChecks;
  /** One that no other job has. */
  readonly newName: () => string;
  /** A change, under one key however often it is asked for. */
  readonly decide: <T>(
    random: Random,
    work: (services: Services, key: string, signal: AbortSignal) => Promise<T>,
  ) => Promise<Outcome<T>>;
}

export class JobRequests {
  readonly #ports: JobRequestPorts;

  constructor(ports: JobRequestPorts) {
    this.#ports = ports;
  }

  /** A job over all inputs. */
  async submit(random: Random): Promise<void> {
    const name = this.#ports.newName();
    const model = random.pick(modelNames) ?? "small";
    const body = {
      name,
      model,
      inputs: [inputsFolder],
      batchSize: random.pick(firstBatchSizes) ?? 2,
      weight: random.pick([1, 1, 1, 3]) ?? 1,
      priority: random.pick([0, 0, 0, -1, 2]) ?? 0,
      ...(random.chance(1, 5) ? { maxErrors: random.between(0, 2) } : {}),
    };
    const outcome = await this.#ports.decide(random, async (services, key, signal) =>
      submitJob(body, { key, signal }, services),
    );
    if (outcome.kind === "refused" && outcome.error.code !== "NOT_FOUND") throw outcome.error;
  }

  /**
   * Now and then of a job that has not ended, which is refused: the one that is the nearest to its end, or one that is cancelled
   * at the same time, so that it may have ended when that is decided.
   */
  async retry(random: Random): Promise<void> {
    const { product } = this.#ports;
    const isEarly = random.chance(1, 3);
    const jobs = [...product.machine.jobs.values()];
    const left = ({ totalInputs, doneInputs }: JobRecord): number => totalInputs - doneInputs;
    const job = isEarly
      ? jobs.filter(({ status }) => !hasEnded(status)).toSorted((a, b) => left(a) - left(b))[0]
      : random.pick(jobs.filter(({ status }) => hasEnded(status)));
    if (job === undefined) return;
    const model = random.pick([undefined, undefined, ...modelNames]);
    const body = {
      name: this.#ports.newName(),
      batchSize: random.pick(firstBatchSizes) ?? 2,
      ...(model === undefined ? {} : { model }),
    };
    const { id, status } = job;
    const mustDo = hasEnded(status) && !product.isGood(id);
    const retried = this.#ports.decide(random, async (services, key, signal) =>
      retryJob(id, body, { key, signal }, services),
    );
    if (isEarly && random.chance(1, 2)) await this.#cancel(id, random);
    const outcome = await retried;
    if (outcome.kind === "refused" && outcome.error.code === "CONFLICT" && mustDo)
      throw new Error(`U7: ${id} can be retried; said is ${outcome.error.message}`);
  }

  async #cancel(job: JobId, random: Random): Promise<void> {
    await this.#ports.decide(random, async ({ coordination }, key, signal) =>
      coordination.decide({ kind: "steer-job", job, to: "cancelled" }, { key, signal }),
    );
  }

  async steer(
    what: "setJob" | "pauseJob" | "resumeJob" | "cancelJob",
    random: Random,
  ): Promise<void> {
    const running = [...this.#ports.product.machine.jobs.values()].filter(
      ({ status }) => !hasEnded(status),
    );
    const job = random.pick(running)?.id ?? JobId("j1");
    const operation =
      what === "setJob"
        ? ({
            kind: "set-job",
            job,
            batchSize: random.pick(laterBatchSizes),
            weight: random.pick([undefined, 1, 2]),
            priority: random.pick([undefined, undefined, 0, 1]),
          } as const)
        : ({
            kind: "steer-job",
            job,
            to: what === "pauseJob" ? "paused" : what === "resumeJob" ? "running" : "cancelled",
          } as const);
    await this.#ports.decide(random, async ({ coordination }, key, signal) =>
      coordination.decide(operation, { key, signal }),
    );
  }
}
