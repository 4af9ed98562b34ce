/**
 * Retrying a job: a new one, linked to it, over those of its inputs that ended in an error or were never done, in the very
 * versions that it had. Lists and results are read and written as they come: a job of 10 million inputs takes no more
 * memory than a small one.
 */
import type { RetryJobBody } from "../lib/api/jobs.ts";
import { hasCode, IDunnoError } from "../lib/errors.ts";
import { JobId } from "../lib/types.ts";
import { type ManifestInput, segmentInputs } from "../scheduler/manifest.ts";
import { resultsOf } from "../scheduler/failure.ts";
import { hasEnded } from "../scheduler/rows.ts";
import type { JobRecord, ResultRow } from "../scheduler/types.ts";
import { nextTurn } from "./deadline.ts";
import { modelNamed } from "./model-names.ts";
import type { Services } from "./services.ts";
import { storeManifest } from "./submission.ts";

/** Inputs looked up in a row, some ms of the daemon's loop. */
const inputsPerTurn = 256;

/** Inputs [from, from + count) of the old job. */
interface Range {
  readonly from: number;
  readonly count: number;
}

/**
 * Submits the retry of an ended job. The same request under the same key gives the same job.
 * @throws IDunnoError NOT_FOUND for a job, or naming the first input that is not there any more; CONFLICT when the job has
 *   not ended, or every input of it has a result
 */
export async function retryJob(
  id: string,
  body: RetryJobBody,
  { key, signal }: { readonly key: string; readonly signal: AbortSignal },
  services: Services,
): Promise<JobId> {
  const { coordination, applier, machine, inputs } = services;
  await coordination.linearize(signal);
  // Before the inputs are looked up: what is there now stays while the new job has not ended.
  const catalogIndex = applier.appliedIndex;
  const job = machine.jobs.get(JobId(id));
  if (job === undefined)
    throw new IDunnoError("NOT_FOUND", { kind: "job", name: id, remedy: "see 'idunno job ls'" });
  const counted = { inputs: 0 };
  const list = inputsOf(job, rangesToRetry(job, services, signal), services, { counted, signal });
  // The first one, so that nothing is stored for a list that would be empty.
  const first = await list.next();
  if (first.done === true) throw conflict(id, "every input of it has a result: nothing to retry");
  const pieces = inputs.segments(withFirst(first.value, list));
  const manifest = await storeManifest(pieces, services, signal);
  const model = body.model === undefined ? job.model : modelNamed(body.model);
  const { name = job.name, batchSize = job.batchSize } = body;
  const { weight = job.weight, maxErrors = job.maxErrors, priority = job.priority } = body;
  const value = await coordination.decide(
    {
      kind: "submit-job",
      name,
      model: model.name,
      manifest: { path: manifest.path, version: manifest.version },
      catalogIndex,
      totalInputs: counted.inputs,
      batchSize,
      weight,
      maxErrors,
      priority,
      retryOf: job.id,
      modelVersion: model.version,
    },
    { key, signal },
  );
  if (value.kind !== "job")
    throw new IDunnoError("INTERNAL", { message: "a retry did not answer with a job" });
  return JobId(value.job);
}

async function* withFirst(
  first: ManifestInput,
  rest: AsyncGenerator<ManifestInput>,
): AsyncGenerator<ManifestInput> {
  yield first;
  yield* rest;
}

/** The inputs of some ranges, each looked up: it must be readable in its very version. */
async function* inputsOf(
  { id, manifest }: JobRecord,
  ranges: AsyncIterable<Range>,
  { inputs, files, runtime }: Services,
  { counted, signal }: { readonly counted: { inputs: number }; readonly signal: AbortSignal },
): AsyncGenerator<ManifestInput> {
  for await (const { from, count } of ranges)
    for (let at = from; at < from + count; at += segmentInputs) {
      const part = { from: at, count: Math.min(segmentInputs, from + count - at) };
      for (const input of await inputs.range(manifest, part, signal)) {
        if (!isThere(input, files))
          throw new IDunnoError("NOT_FOUND", {
            kind: `input of job ${id}`,
            name: `${input.path}@${input.version}`,
            remedy: "it was removed since: see 'idunno sdfs undelete', or submit a new job",
          });
        counted.inputs += 1;
        yield input;
        if (counted.inputs % inputsPerTurn === 0) await nextTurn(runtime);
      }
    }
}

/** A path that was removed for good begins at version 1 again: its content tells. */
function isThere(
  { path, version, bytes, chunks, tooLarge }: ManifestInput,
  files: Services["files"],
): boolean {
  try {
    const found = files.stat(path, version);
    if (tooLarge || found.chunks.length !== chunks.length) return tooLarge && found.bytes === bytes;
    return found.chunks.every(({ hash }, i) => hash === chunks[i]);
  } catch (error) {
    if (!hasCode(error, "NOT_FOUND")) throw error;
    return false;
  }
}

/** Which inputs of an ended job have no classes, in order. */
function rangesToRetry(
  job: JobRecord,
  services: Services,
  signal: AbortSignal,
): AsyncGenerator<Range> {
  const { status } = job;
  if (!hasEnded(status))
    throw conflict(job.id, `it is ${status.kind}: wait for its end, or cancel it first`);
  if (status.kind === "done")
    return failedLines(services.files.read(status.results, signal), services);
  if (job.prunedQueries > 0)
    throw conflict(job.id, "its results were deleted by an earlier version: submit it anew");
  return unfinishedRows(job, services);
}

/** Of a job that was broken off: what no committed query covers, and the errors in what one does. */
async function* unfinishedRows(
  { id, totalInputs }: JobRecord,
  { state, runtime }: Services,
): AsyncGenerator<Range> {
  let next = 0;
  for await (const [, value] of state.rows(`result/${id}/`, "")) {
    for (const found of resultsOf(id, value as ResultRow, (key) => state.get(key))) {
      if (found === undefined) continue;
      const { from, count, outputs } = found;
      // Halves of a query that was split come again under their own numbers.
      if (from < next) continue;
      if (from > next) yield { from: next, count: from - next };
      for (const [i, output] of outputs.entries())
        if (typeof output === "string") yield { from: from + i, count: 1 };
      next = from + count;
      if (next % inputsPerTurn < count) await nextTurn(runtime);
    }
  }
  if (next < totalInputs) yield { from: next, count: totalInputs - next };
}

const newline = 10;
/** Only a line of an error has it: quotes inside of names and labels are escaped (scheduler/results.ts). */
const errorMark = Buffer.from('","error":');

/** Of a results file: a line is an input. */
async function* failedLines(
  content: AsyncIterable<Uint8Array>,
  { runtime }: Pick<Services, "runtime">,
): AsyncGenerator<Range> {
  let line = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const block of content) {
    const bytes = Buffer.concat([rest, block]);
    let from = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
      if (bytes.subarray(from, end).includes(errorMark)) yield { from: line, count: 1 };
      from = end + 1;
      line += 1;
      if (line % (16 * inputsPerTurn) === 0) await nextTurn(runtime);
    }
    rest = bytes.subarray(from);
  }
}

function conflict(id: string, why: string): IDunnoError {
  return new IDunnoError("CONFLICT", { what: `job ${id}`, why });
}
