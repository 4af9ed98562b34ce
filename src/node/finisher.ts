/**
 * Ends jobs, as the leader: when every input has its result, writes them in input order as a file into SDFS and makes
 * it visible together with "done", in one command; then deletes the rows that the file replaces, 500 at a time.
 *
 * The file's bytes follow from the manifest and the committed outputs alone, so whoever writes it, and however often,
 * writes the same.
 */
import type { FileUpload } from "../lib/content.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { JobId } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { hasEnded } from "../scheduler/rows.ts";
import type { JobRecord } from "../scheduler/types.ts";
import type { ChunkService } from "./chunk-service.ts";
import type { Coordination } from "./coordination.ts";
import { deadline, pause, sharedAbort } from "./deadline.ts";
import type { Files } from "./files.ts";
import type { Inputs } from "./inputs.ts";
import { LeaderDuty } from "./leader-duty.ts";
import type { Logger } from "./log.ts";
import type { RaftDriver } from "./raft-driver.ts";
import { ResultReader } from "./result-reader.ts";
import type { StateStore } from "./stores/state-store.ts";

/** How long writing one results file may take, in ms; then it is begun again. */
const finishMs = 120_000;
/** Pause before trying again, in ms. */
const againMs = 200;

export interface FinisherPorts {
  readonly machine: Machine;
  readonly state: StateStore;
  readonly chunks: ChunkService;
  readonly files: Files;
  readonly inputs: Inputs;
  readonly coordination: Coordination;
  readonly driver: RaftDriver;
  readonly runtime: Runtime;
  readonly log: Logger;
}

export class Finisher {
  readonly #ports: FinisherPorts;
  readonly #duty: LeaderDuty;
  readonly #closing = sharedAbort();

  constructor(ports: FinisherPorts) {
    this.#ports = ports;
    this.#duty = new LeaderDuty(
      { name: "finish" },
      { ...ports, leads: () => ports.driver.isReadyLeader, work: async () => this.#work() },
    );
  }

  nudge(): void {
    for (const job of this.#ports.machine.jobs.values())
      if (isDue(job)) {
        this.#duty.nudge();
        return;
      }
  }

  async #work(): Promise<void> {
    for (const job of [...this.#ports.machine.jobs.values()].filter(isDue)) {
      try {
        if (isComplete(job)) await this.#finish(job);
        else await this.#prune(job.id);
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#ports.log.warn("finish-failed", { job: job.id, error: String(error) });
        await pause(this.#ports.runtime, againMs, this.#closing.signal);
      }
    }
    this.nudge();
  }

  async #finish(job: JobRecord): Promise<void> {
    const { chunks, files, coordination, runtime, log } = this.#ports;
    const { signal } = this.#closing;
    using limit = deadline(runtime, `the results of ${job.id}`, finishMs, signal);
    const lines = new ResultReader(job.id, this.#ports).read(job, limit);
    const uploaded = await files.upload(`jobs/${job.id}/results.ndjson`, chunks.cut(lines), limit);
    const results: FileUpload = { ...uploaded, ifVersion: undefined };
    const outcome = await coordination.proposeHere(
      { kind: "finish-job", job: job.id, results },
      undefined,
    );
    if (outcome.kind === "ok")
      log.info("job-done", { job: job.id, inputs: job.totalInputs, bytes: results.bytes });
    else if (outcome.code === "TOO_FEW_COPIES") {
      log.info("job-waits-for-copies", { job: job.id, ...outcome.details });
      await pause(runtime, againMs, limit);
    } else log.debug("job-not-finished", { job: job.id, code: outcome.code });
  }

  async #prune(job: JobId): Promise<void> {
    await this.#ports.coordination.proposeHere({ kind: "prune-results", job }, undefined);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#duty.close();
  }
}

/** To be finished, or done with rows left to prune. Of a job that failed or was cancelled the rows are all there is. */
function isDue(job: JobRecord): boolean {
  return isComplete(job) || (job.status.kind === "done" && job.prunedQueries < job.nextQuery);
}

function isComplete(job: JobRecord): boolean {
  return !hasEnded(job.status) && job.cursor === job.totalInputs && job.openQueries === 0;
}
