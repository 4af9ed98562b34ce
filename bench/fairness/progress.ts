/**
 * How far each job has come, as its nodes tell: parts of queries count as their micro-batches end, which is what promise P7
 * speaks of. Every node's metrics are read again and again; between two readings a job is taken to have gone on evenly.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { asIDunnoError, IDunnoError } from "../../src/lib/errors.ts";

/** Against windows of 10 s, short; and five looks a second at five nodes cost them next to nothing. */
const everyMs = 1_000;
/** A node that is busy answers late, and is asked again at the next turn. */
const answerMs = 5_000;
const metric = /^idunno_job_queries_run\{job="([^"]+)"\} (\S+)$/gm;

/** What one node had run at a moment, in queries by job. */
export interface Reading {
  readonly atMs: number;
  readonly run: ReadonlyMap<string, number>;
}

/** By node, in order of time. */
export type Readings = readonly (readonly Reading[])[];

export class ProgressFollower implements AsyncDisposable {
  readonly readings: Readings;
  readonly #running: Promise<unknown>;
  readonly #closing = new AbortController();
  #failure: IDunnoError | undefined;

  /** @param addresses of all nodes' HTTP servers, `host:port` */
  constructor(addresses: readonly string[]) {
    const readings = addresses.map((): Reading[] => []);
    this.readings = readings;
    this.#running = Promise.all(
      addresses.map(async (address, i) => this.#follow(address, readings[i] ?? [])),
    );
  }

  /** @throws IDunnoError when a node could not be asked: its readings then have an end */
  refuseIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #follow(address: string, readings: Reading[]): Promise<void> {
    const { signal } = this.#closing;
    try {
      for (;;) {
        const url = `http://${address}/metrics`;
        const within = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
        const askedMs = performance.now();
        const answer = await fetch(url, { signal: within });
        if (!answer.ok) throw new IDunnoError("INTERNAL", { message: `${url}: ${answer.status}` });
        const run = parseQueriesRun(await answer.text());
        // In the middle, since nobody knows when in between it was read.
        readings.push({ atMs: (askedMs + performance.now()) / 2, run });
        await sleep(everyMs, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) this.#failure ??= asIDunnoError(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }
}

/** Of a node's metrics in Prometheus' text format: queries run, by job. */
export function parseQueriesRun(text: string): Map<string, number> {
  return new Map([...text.matchAll(metric)].map(([, job = "", run]) => [job, Number(run)]));
}

/** Queries of a job that all nodes together ran between two moments. */
export function queriesRun(
  readings: Readings,
  job: string,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): number {
  return readings.reduce((sum, of) => sum + runUntil(of, job, toMs) - runUntil(of, job, fromMs), 0);
}

/** On one node; before the first reading and after the last it is as these say. */
function runUntil(readings: readonly Reading[], job: string, atMs: number): number {
  const run = (reading: Reading | undefined): number => reading?.run.get(job) ?? 0;
  const next = readings.findIndex((reading) => reading.atMs > atMs);
  const [before, after] = next < 0 ? [readings.at(-1)] : [readings[next - 1], readings[next]];
  if (before === undefined || after === undefined) return run(before ?? after);
  const part = (atMs - before.atMs) / (after.atMs - before.atMs);
  return run(before) + part * (run(after) - run(before));
}
