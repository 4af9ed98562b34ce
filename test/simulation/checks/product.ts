/**
 * The promises of the product (design section 2), checked on a state of its own that applies whatever has been committed:
 *
 *  J1 each input of each job has one result, committed once, of the query that covered it;
 *  J2 results are the oracle's, and so is the file of a finished job, byte by byte;
 *  J3 queries are carved one after the other without gap or overlap, each as large as the batch size of its moment, or
 *     are halves of one that was split;
 *  J4 work is handed out of jobs only that run, and to members only that are up, to their present boot;
 *  J5 jobs of one priority that run side by side progress alike;
 *  J6 a job is submitted once for each request, however often that was repeated;
 *  J8 the numbered invariants of work.ts, commit.ts and machine.ts hold of all rows; log time never goes back;
 *  J9 a version becomes visible with no fewer copies than there were members up, four at most;
 *  J10 jobs of a higher priority go first, but for what ageing gives the others;
 *  J11 a retry is over exactly the inputs of an ended job that have no classes ({@link checkRetry});
 *  J12 only late queries are given to a second node, and to one only ({@link Speculation});
 *  J13 jobs on probation have their share of the slots beside others, and no more (probation-share.ts);
 *  J7 what a job says of itself (queries open and done, inputs done and in error, attempts but the first) is what its rows say.
 */
import { decodeCommand } from "../../../src/machine/codec.ts";
import type { Operation } from "../../../src/machine/commands.ts";
import { Machine, type Mutation } from "../../../src/machine/machine.ts";
import type { Entry } from "../../../src/raft/types.ts";
import { decodeSegment, type ManifestInput } from "../../../src/scheduler/manifest.ts";
import { isOnProbation } from "../../../src/scheduler/probation.ts";
import { resultLine } from "../../../src/scheduler/results.ts";
import { hasEnded } from "../../../src/scheduler/rows.ts";
import type {
  JobRecord,
  QueryAttempt,
  QueryRecord,
  ResultRow,
} from "../../../src/scheduler/types.ts";
import type { ChunkHash, JobId } from "../../../src/lib/types.ts";
import { takesMore } from "../../../src/machine/tables.ts";
import {
  type ChunkRecord,
  replicationFactor,
  type VersionRecord,
} from "../../../src/sdfs/catalog/types.ts";
import { checkInvariants } from "../../machine/invariants.ts";
import { oracle } from "../inference/oracle.ts";
import { checkCounts } from "./counts.ts";
import { FairTime } from "./fair-time.ts";
import { handedOut } from "./handed-out.ts";
import { checkRetry, type Judged } from "./retries.ts";
import { Speculation } from "./speculation.ts";

/** Entries between two looks at all rows: they are many. */
const rowsEvery = 100;

interface Followed {
  /** The next input that no query covers, as the queries say. */
  cursor: number;
  /** Query → what it covers. */
  readonly carved: Map<number, { readonly from: number; readonly count: number }>;
  /** Queries with a result, or split. */
  readonly done: Set<number>;
  /** Halves of queries that were split: what they cover. */
  readonly halves: Map<number, { readonly from: number; readonly count: number }>;
  splits: number;
  doneInputs: number;
  errorInputs: number;
  /** Inputs with classes. */
  readonly good: Set<number>;
  /** Virtual progress by what was carved since the job last started or resumed; undefined: it does not run. */
  progress: number | undefined;
  /** The class of priority that the progress is of. */
  ofClass: number | undefined;
  onProbation: boolean;
  failures: number;
  hasEnded: boolean;
}

export class ProductChecks {
  /** The state that whatever has been committed makes. */
  readonly machine: Machine;
  readonly rows = new Map<string, unknown>();
  readonly finished: { readonly job: JobId; readonly inputs: number }[] = [];
  /** Jobs by name: each request of the workload gives its own. */
  readonly jobNames = new Map<string, JobId>();
  readonly fairTime = new FairTime();
  readonly speculation = new Speculation();
  /** Jobs that retry others. */
  readonly retries = new Set<JobId>();
  readonly #contents: ReadonlyMap<ChunkHash, Uint8Array>;
  readonly #jobs = new Map<string, Followed>();
  /** Newest attempt of each query. */
  readonly #attempts = new Map<string, number>();
  #applied = 0;

  /** @param contents the bytes of every chunk that was ever stored anywhere */
  constructor(contents: ReadonlyMap<ChunkHash, Uint8Array>) {
    this.#contents = contents;
    this.machine = new Machine({ cold: { get: (key) => this.rows.get(key) } });
  }

  get appliedIndex(): number {
    return this.#applied;
  }

  /** More has been committed. */
  follow(entries: readonly Entry[]): void {
    for (; this.#applied < entries.length; this.#applied += 1) {
      const entry = entries[this.#applied];
      if (entry?.kind === "command") this.#apply(entry);
    }
  }

  #apply({ data, index }: Entry): void {
    const command = decodeCommand(data);
    const { logTime } = this.machine;
    const handed = handedOut(command.operation, this.machine);
    const { outcome, mutations, failure } = this.machine.apply(command, index);
    if (this.machine.logTime < logTime)
      throw new Error(`J8: log time goes from ${logTime} to ${this.machine.logTime}`);
    if (failure !== undefined)
      throw new Error(`command ${index} fails: ${command.operation.kind}`, { cause: failure });
    for (const { key, value } of mutations) {
      if (value === undefined) this.rows.delete(key);
      else this.rows.set(key, value);
    }
    for (const mutation of mutations) this.#look(mutation);
    for (const { key } of mutations)
      if (key.startsWith("progress/")) this.#checkCounts(key.slice("progress/".length) as JobId);
    if (this.#applied % rowsEvery === 0) this.checkRows();
    const { operation } = command;
    if (outcome.kind === "ok" && outcome.value.kind === "job" && operation.kind === "submit-job")
      this.#submitted(operation, outcome.value.job as JobId);
    this.fairTime.look(this.machine, handed);
  }

  /** J8. */
  checkRows(): void {
    const { rows } = this;
    checkInvariants({
      row: (key) => rows.get(key),
      table: (name) => [...rows].filter(([key]) => key.startsWith(`${name}/`)),
    });
  }

  /** Whether every input of a job that has ended has classes: then there is nothing to retry. */
  isGood(job: JobId): boolean {
    return this.#followed(job).good.size === this.machine.jobs.get(job)?.totalInputs;
  }

  #submitted(
    { name, retryOf, modelVersion }: Extract<Operation, { kind: "submit-job" }>,
    job: JobId,
  ): void {
    const known = this.jobNames.get(name);
    if (known !== undefined && known !== job)
      throw new Error(`J6: request ${name} made both ${known} and ${job}`);
    this.jobNames.set(name, job);
    if (retryOf === undefined) return;
    this.retries.add(job);
    checkRetry(this.#judged(job), this.#judged(retryOf), modelVersion);
  }

  #judged(id: JobId): Judged {
    const job = this.machine.jobs.get(id);
    if (job === undefined) throw new Error(`J11: ${id} is not there`);
    return { job, inputs: this.#inputs(job), good: this.#followed(id).good };
  }

  #look({ key, value }: Mutation): void {
    const [table = "", job = "", query = ""] = key.split("/");
    if (table === "query") {
      const record = value as QueryRecord | undefined;
      if (record !== undefined) this.#handedOut(job, record);
      this.speculation.look(`${job}/${query}`, record, this.machine.jobs.get(job as JobId));
    }
    if (table === "result" && value !== undefined)
      this.#completed(job, Number(query), value as ResultRow);
    if (table === "version" && value !== undefined) this.#becameVisible(value as VersionRecord);
    if (table === "progress" && value !== undefined) this.#progressed(job as JobId);
  }

  /** J9. An empty file rests on the log alone. */
  #becameVisible({ path, version, copies, chunks }: VersionRecord): void {
    const up = [...this.machine.members.values()].filter(takesMore).length;
    const stored = chunks.map(
      ({ hash }) => (this.rows.get(`chunk/${hash}`) as ChunkRecord | undefined)?.stores.length ?? 0,
    );
    const least = Math.min(copies, ...stored);
    if (least < Math.min(replicationFactor, up))
      throw new Error(`J9: ${path}@${version} is visible with ${least} copies, ${up} nodes are up`);
  }

  #followed(job: string): Followed {
    let followed = this.#jobs.get(job);
    if (followed === undefined) {
      followed = {
        cursor: 0,
        carved: new Map(),
        done: new Set(),
        halves: new Map(),
        splits: 0,
        doneInputs: 0,
        errorInputs: 0,
        good: new Set(),
        progress: undefined,
        ofClass: undefined,
        onProbation: true,
        failures: 0,
        hasEnded: false,
      };
      this.#jobs.set(job, followed);
    }
    return followed;
  }

  #handedOut(job: string, record: QueryRecord): void {
    const followed = this.#followed(job);
    const { query, from, count, attempts, lastAttempt } = record;
    if (followed.done.has(query)) throw new Error(`J1: ${job}/${query} is open again`);
    if (followed.hasEnded) throw new Error(`J1: ${job} has ended and hands ${query} out`);
    const half = followed.halves.get(query);
    const known = followed.carved.get(query) ?? half;
    if (half !== undefined) followed.carved.set(query, half);
    if (known === undefined) {
      if (from !== followed.cursor || count < 1)
        throw new Error(`J3: ${job}/${query} begins at ${from}, not at ${followed.cursor}`);
      const { batchSize = 0, totalInputs = 0 } = this.machine.jobs.get(job as JobId) ?? {};
      if (count !== Math.min(batchSize, totalInputs - from))
        throw new Error(`J3: ${job}/${query} has ${count} inputs at batch size ${batchSize}`);
      followed.carved.set(query, { from, count });
      followed.cursor = from + count;
      const weight = this.machine.jobs.get(job as JobId)?.weight ?? 1;
      if (followed.progress !== undefined) followed.progress += 1 / weight;
    } else if (known.from !== from || known.count !== count)
      throw new Error(`J3: ${job}/${query} is another range than before`);
    this.#checkNewest(
      job,
      query,
      attempts.find(({ attempt }) => attempt === lastAttempt),
    );
  }

  /** J4. Attempts that were given out before are none of its business. */
  #checkNewest(job: string, query: number, newest: QueryAttempt | undefined): void {
    const key = `${job}/${query}`;
    if (newest === undefined || newest.attempt <= (this.#attempts.get(key) ?? 0)) return;
    this.#attempts.set(key, newest.attempt);
    const status = this.machine.jobs.get(job as JobId)?.status.kind;
    if (status !== "running")
      throw new Error(`J4: ${key} is handed out of a job that is ${status ?? "gone"}`);
    const member = this.machine.members.get(newest.node);
    if (member?.state !== "up" || member.boot !== newest.boot)
      throw new Error(
        `J4: ${job}/${query} is handed to ${newest.node}, ${member?.state ?? "gone"}`,
      );
  }

  #completed(job: string, query: number, row: ResultRow): void {
    const followed = this.#followed(job);
    if (followed.done.has(query)) throw new Error(`J1: ${job}/${query} is completed twice`);
    followed.done.add(query);
    const carved = followed.carved.get(query);
    if (carved?.from !== row.from || carved.count !== row.count)
      throw new Error(`J1: ${job}/${query} is completed with another range than was carved`);
    if (row.into !== undefined) {
      this.#wasSplit(followed, row, row.into);
      return;
    }
    if (row.outputs.length !== row.count)
      throw new Error(`J1: ${job}/${query} has ${row.outputs.length} of ${row.count} results`);
    followed.doneInputs += row.count;
    followed.errorInputs += row.outputs.filter((output) => typeof output === "string").length;
    const record = this.machine.jobs.get(job as JobId);
    if (record === undefined) throw new Error(`J1: a result of ${job}, which is not there`);
    const inputs = this.#inputs(record);
    for (const [i, output] of row.outputs.entries()) {
      const input = inputs[row.from + i];
      if (JSON.stringify(output) !== JSON.stringify(this.#expected(record, input)))
        throw new Error(`J2: input ${row.from + i} of ${job} has result ${JSON.stringify(output)}`);
      if (typeof output !== "string") followed.good.add(row.from + i);
    }
  }

  /** What the halves cover is checked where they appear. */
  #wasSplit(
    followed: Followed,
    { from, count }: ResultRow,
    [left, right]: readonly [number, number],
  ): void {
    const first = Math.ceil(count / 2);
    followed.halves.set(left, { from, count: first });
    followed.halves.set(right, { from: from + first, count: count - first });
    followed.splits += 1;
  }

  #expected({ model }: JobRecord, input: ManifestInput | undefined): unknown {
    return oracle(model.manifest.sha256, input?.chunks ?? []);
  }

  #inputs({ manifest }: JobRecord): readonly ManifestInput[] {
    return manifest.chunks.flatMap(({ hash }) => decodeSegment(this.#content(hash)));
  }

  #content(hash: ChunkHash): Uint8Array {
    const bytes = this.#contents.get(hash);
    if (bytes === undefined) throw new Error(`chunk ${hash} was never stored and is referred to`);
    return bytes;
  }

  #progressed(id: JobId): void {
    const followed = this.#followed(id);
    const job = this.machine.jobs.get(id);
    if (job === undefined) return;
    if (hasEnded(job.status)) this.#ended(job, followed);
    else if (followed.hasEnded) throw new Error(`J1: ${id} has ended and is ${job.status.kind}`);
  }

  #ended(job: JobRecord, followed: Followed): void {
    if (followed.hasEnded) return;
    followed.hasEnded = true;
    if (job.status.kind !== "done") return;
    if (followed.doneInputs !== job.totalInputs || job.doneInputs !== job.totalInputs)
      throw new Error(`J1: ${job.id} is done with ${followed.doneInputs} of ${job.totalInputs}`);
    const lines = this.#inputs(job).map(
      (input) =>
        `${resultLine(input.path, oracle(job.model.manifest.sha256, input.chunks), job.model.manifest.labels)}\n`,
    );
    const file = Buffer.concat(
      job.status.results.chunks.map(({ hash }) => Buffer.from(this.#content(hash))),
    );
    if (file.toString() !== lines.join(""))
      throw new Error(`J2: the results of ${job.id} are not the oracle's`);
    this.finished.push({ job: job.id, inputs: job.totalInputs });
  }

  /** J5: each query carved counts one, divided by the weight of its moment. */
  #checkProgress(job: JobRecord): void {
    const { id, status, progress, priority } = job;
    const followed = this.#followed(id);
    // One command may let it pass and put it on probation again, or the other way round.
    const couldPass =
      followed.onProbation || isOnProbation(job) || followed.failures !== (job.failures ?? 0);
    followed.onProbation = isOnProbation(job);
    followed.failures = job.failures ?? 0;
    const expected = followed.progress ?? progress;
    // Another class has another virtual time, and who passes begins at that of those who compete.
    const isSame = followed.ofClass === priority && !(couldPass && progress > expected);
    followed.ofClass = priority;
    if (isSame && Math.abs(expected - progress) > 1e-6)
      throw new Error(`J5: ${id} is at ${progress}, its queries make ${expected}`);
    followed.progress = status.kind === "running" ? (isSame ? expected : progress) : undefined;
  }

  /** J3, J7. */
  #checkCounts(id: JobId): void {
    const job = this.machine.jobs.get(id);
    if (job === undefined) return;
    this.#checkProgress(job);
    const counted = { ...this.#followed(id), ...this.speculation.again(id) };
    checkCounts(job, [...this.machine.openQueries(id)], counted);
  }
}
