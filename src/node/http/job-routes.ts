/** Jobs: submit, look, steer, and read results while they come. */
import { Readable } from "node:stream";
import type { AssignmentsView, QueryView } from "../../lib/api/jobs.ts";
import { RetryJobBody, SetJobBody, SubmitJobBody } from "../../lib/api/jobs.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { JobId } from "../../lib/types.ts";
import { hasEnded } from "../../scheduler/rows.ts";
import type { JobRecord } from "../../scheduler/types.ts";
import { ResultReader } from "../result-reader.ts";
import type { Services } from "../services.ts";
import { retryJob } from "../retry.ts";
import { waitingFor } from "../stall.ts";
import { submitJob } from "../submission.ts";
import type { App } from "./app.ts";
import { beforeRead, requestKey, requestSignal } from "./request.ts";
import { jobView } from "./views.ts";
import { sharedAbort } from "../deadline.ts";

type ById = { Params: { id: string } };

export function jobRoutes(app: App, services: Services): void {
  retryRoute(app, services);
  const { machine, coordination, logClock } = services;

  app.post("/v1/jobs", { schema: { body: SubmitJobBody } }, async (request, reply) => {
    const signal = requestSignal(request, reply);
    const key = requestKey(request, services);
    const id = await submitJob(request.body, { key, signal }, services);
    await coordination.linearize(signal);
    return jobView(findJob(services, id), logClock.now());
  });

  app.get("/v1/jobs", async (request, reply) => {
    await beforeRead(request, reply, services);
    return [...machine.jobs.values()]
      .toSorted((a, b) => a.submittedAt - b.submittedAt)
      .map((job) => jobView(job, logClock.now()));
  });

  app.get<ById>("/v1/jobs/:id", async (request, reply) => {
    const signal = await beforeRead(request, reply, services);
    const job = findJob(services, request.params.id);
    const waits = await waitingFor(job, services, signal);
    const view = jobView(job, logClock.now());
    return waits === undefined ? view : { ...view, waitingFor: waits };
  });

  app.patch<ById & { Body: SetJobBody }>(
    "/v1/jobs/:id",
    { schema: { body: SetJobBody } },
    async (request, reply) => {
      const signal = requestSignal(request, reply);
      const { id } = request.params;
      await changeJob(id, request.body, { key: requestKey(request, services), signal }, services);
      await coordination.linearize(signal);
      return jobView(findJob(services, id), logClock.now());
    },
  );

  app.get<ById>("/v1/jobs/:id/queries", async (request, reply) => {
    await beforeRead(request, reply, services);
    const job = findJob(services, request.params.id);
    return [...machine.openQueries(job.id)].map(({ query, from, count, attempts }): QueryView => ({
      query,
      from,
      count,
      attempts: attempts.map(({ attempt, node }) => ({ attempt, node })),
    }));
  });

  app.get<ById & { Querystring: { follow?: string } }>(
    "/v1/jobs/:id/results",
    async (request, reply) => {
      await beforeRead(request, reply, services);
      const job = findJob(services, request.params.id);
      const { follow } = request.query;
      const gone = sharedAbort();
      reply.raw.once("close", () => gone.abort(new IDunnoError("CLOSED", { what: "the reader" })));
      const lines = streamResults(
        job.id,
        services,
        follow === "true" || follow === "",
        gone.signal,
      );
      return reply.type("application/x-ndjson").send(Readable.from(lines));
    },
  );

  app.get("/v1/assignments", async (request, reply) => {
    await beforeRead(request, reply, services);
    return assignmentsView(services);
  });
}

function retryRoute(app: App, services: Services): void {
  const { coordination, logClock } = services;
  app.post<ById & { Body: RetryJobBody }>(
    "/v1/jobs/:id/retry",
    { schema: { body: RetryJobBody } },
    async (request, reply) => {
      const signal = requestSignal(request, reply);
      const key = requestKey(request, services);
      const id = await retryJob(request.params.id, request.body, { key, signal }, services);
      await coordination.linearize(signal);
      return jobView(findJob(services, id), logClock.now());
    },
  );
}

export function findJob({ machine }: Pick<Services, "machine">, id: string): JobRecord {
  const job = machine.jobs.get(JobId(id));
  if (job === undefined)
    throw new IDunnoError("NOT_FOUND", { kind: "job", name: id, remedy: "see 'idunno job ls'" });
  return job;
}

/** A key guards one decision; the two that a body may ask for get one each. */
async function changeJob(
  id: string,
  { batchSize, weight, priority, state }: SetJobBody,
  { key, signal }: { readonly key: string; readonly signal: AbortSignal },
  { coordination }: Services,
): Promise<void> {
  const job = JobId(id);
  const sets = [batchSize, weight, priority].some((each) => each !== undefined);
  if (!sets && state === undefined)
    throw new IDunnoError("INVALID", {
      what: `job ${id}`,
      why: "nothing is to be changed",
      remedy: "give a batch size, a weight, a priority or a state",
    });
  if (sets && state !== undefined)
    throw new IDunnoError("INVALID", {
      what: `job ${id}`,
      why: "settings and state cannot be changed in one request",
      remedy: "send two requests",
    });
  await coordination.decide(
    state === undefined
      ? { kind: "set-job", job, batchSize, weight, priority }
      : { kind: "steer-job", job, to: state },
    { key, signal },
  );
}

/** What there is of a job's results, in input order; with `follow` until the job has ended. */
async function* streamResults(
  id: JobId,
  services: Services,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = new ResultReader(id, services);
  for (;;) {
    // Before the look, so that nothing that comes after it is waited for in vain.
    const seen = services.applier.appliedIndex;
    const job = findJob(services, id);
    if (job.status.kind === "done") {
      // The file has what the rows had, in the same bytes: go on where they ended.
      yield* afterLines(services.files.read(job.status.results, signal), reader.nextInput);
      return;
    }
    yield* reader.read(job, signal);
    if (!follow || hasEnded(job.status)) return;
    await services.applier.changed(seen, signal);
  }
}

const newline = 10;

async function* afterLines(
  content: AsyncIterable<Uint8Array>,
  skip: number,
): AsyncGenerator<Uint8Array> {
  let left = skip;
  for await (const block of content) {
    let from = 0;
    for (; left > 0; left -= 1) {
      const at = block.indexOf(newline, from);
      if (at < 0) break;
      from = at + 1;
    }
    if (left === 0) yield block.subarray(from);
  }
}

function assignmentsView({ machine, logClock }: Services): AssignmentsView {
  const running = [...machine.jobs.values()].filter(({ status }) => !hasEnded(status));
  const slotMs = running.reduce((sum, { statistics }) => sum + statistics.sumMs, 0);
  const open = running.flatMap((job) =>
    [...machine.openQueries(job.id)].flatMap(({ query, count, attempts }) =>
      attempts.map(({ attempt, node }) => ({ job: job.id, query, attempt, count, node })),
    ),
  );
  return {
    nodes: [...machine.members.values()].map(({ node, state, slots }) => ({
      node,
      state,
      slots,
      queries: open
        .filter((each) => each.node === node)
        .map(({ job, query, attempt, count }) => ({ job, query, attempt, count })),
    })),
    jobs: running.map((job) => ({
      job: job.id,
      name: job.name,
      nodes: [
        ...new Set(open.filter((each) => each.job === job.id).map(({ node }) => node)),
      ].sort(),
      openQueries: job.openQueries,
      queryRate: jobView(job, logClock.now()).statistics.queryRate,
      slotTimeShare: slotMs === 0 ? 0 : job.statistics.sumMs / slotMs,
    })),
  };
}
