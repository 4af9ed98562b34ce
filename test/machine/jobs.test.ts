/** Jobs as a replica applies them. S1 to S5 are numbered in src/scheduler/work.ts. */
import test from "ava";
import type { Outcome } from "../../src/lib/outcome.ts";
import type { JobId } from "../../src/lib/types.ts";
import type { JobRecord } from "../../src/scheduler/types.ts";
import {
  type Replica,
  assign,
  chunk,
  cluster,
  completion,
  outputs,
  register,
  submission,
  submit,
  upload,
  work,
} from "./fixtures.ts";

const jobOf = (replica: Replica, id: JobId): JobRecord => replica.machine.jobs.get(id)!;
const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");
const open = (replica: Replica, id: JobId) => [...replica.machine.openQueries(id)];

test("a submitted job runs, pinned to the model and inputs of that moment", (t) => {
  const replica = cluster();
  const id = submit(replica, { totalInputs: 10 });
  const job = jobOf(replica, id);
  t.like(job, { id, status: { kind: "running" }, totalInputs: 10, cursor: 0, progress: 0 });
  t.is(job.model.version, 1);
  t.is(job.model.file.path, "models/tiny.onnx");
  t.is(job.manifest.chunks.length, 1);
  t.false("startedAt" in job);
});

test("a submission that cannot be carried out says why", (t) => {
  const replica = cluster();
  const refused = (more: Parameters<typeof submission>[0]) =>
    codeOf(replica.apply(submission(more)).outcome);
  t.is(refused({ model: "other" }), "NOT_FOUND");
  t.is(refused({ manifest: { path: "inputs", version: 9 as never } }), "NOT_FOUND");
  t.is(refused({ totalInputs: 0 }), "INVALID");
  t.is(refused({ totalInputs: 10_000_001 }), "INVALID");
  t.is(refused({ batchSize: 0 }), "INVALID");
  t.is(refused({ batchSize: 1_025 }), "INVALID");
  t.is(refused({ weight: 0 }), "INVALID");
  t.is(refused({ weight: NaN }), "INVALID");
  t.is(refused({ name: "" }), "INVALID");
  t.is(refused({ name: "x".repeat(129) }), "INVALID");
  t.is(refused({ maxErrors: -1 }), "INVALID");
  t.is(refused({ maxErrors: 0.5 }), "INVALID");
  t.is(replica.machine.jobs.size, 0);
});

test("a submission resolved before the collection floor is stale", (t) => {
  const replica = cluster();
  replica.machine.loadRow("meta/collectionFloor", 5);
  t.is(codeOf(replica.apply(submission({ catalogIndex: 4 })).outcome), "STALE_CATALOG");
  t.is(codeOf(replica.apply(submission({ catalogIndex: 5 })).outcome), "ok");
});

test("carving covers the inputs once, with the batch size of that moment (S1)", (t) => {
  const replica = cluster();
  const id = submit(replica, { totalInputs: 10, batchSize: 4 });
  replica.must(work([], [assign(id, 1)]));
  replica.must({ kind: "set-job", job: id, batchSize: 5, weight: undefined });
  const { outcome } = replica.must(work([], [assign(id, 2), assign(id, 3), assign(id, 1)]));
  t.deepEqual(
    open(replica, id).map(({ from, count }) => [from, count]),
    [
      [0, 4],
      [4, 5],
      [9, 1],
    ],
  );
  t.deepEqual(outcome, {
    kind: "ok",
    value: {
      kind: "assigned",
      assigned: [
        { job: id, query: 1, attempt: 1, node: "n2", boot: "boot2", from: 4, count: 5 },
        { job: id, query: 2, attempt: 1, node: "n3", boot: "boot3", from: 9, count: 1 },
      ],
    },
  });
});

test("nothing is handed to a node that is down, unknown or has started anew", (t) => {
  const replica = cluster();
  const id = submit(replica);
  replica.must({ kind: "mark-member", node: "n1" as never, boot: "boot1", state: "down" });
  replica.must(work([], [assign(id, 1), assign(id, 9), { ...assign(id, 2), boot: "old" }]));
  t.is(jobOf(replica, id).cursor, 0);
  replica.must({ kind: "mark-member", node: "n1" as never, boot: "boot1", state: "up" });
  replica.must(work([], [assign(id, 1)]));
  t.is(jobOf(replica, id).cursor, 4);
});

test("the first result of a query wins, whatever its attempt; later ones are ignored (S2)", (t) => {
  const replica = cluster();
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  replica.must(work([], [assign(id, 2, 0)]));
  const first = completion(id, 0, outputs(4, [2, 1]), { attempt: 1 });
  const second = completion(id, 0, outputs(4, [3, 1]), { attempt: 2, node: 2 });
  replica.must(work([second, first], []));
  replica.must(work([first], []));
  t.like(jobOf(replica, id), { doneInputs: 4, doneQueries: 1, openQueries: 0 });
  t.like(jobOf(replica, id), { retries: 0, speculativeAttempts: 1 }, "nothing was lost");
  t.deepEqual(replica.row(`result/${id}/0000000000`), {
    from: 0,
    count: 4,
    outputs: outputs(4, [3, 1]),
  });
});

test("a done query is not opened again by a late hand-out (S2)", (t) => {
  const replica = cluster();
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  replica.must(work([completion(id, 0, outputs(4))], [assign(id, 2, 0)]));
  t.is(open(replica, id).length, 0);
});

test("outputs that do not fit the query give up the attempt instead of being stored", (t) => {
  const replica = cluster();
  const id = submit(replica);
  const wrong = [outputs(3), outputs(4, [5, 1]), outputs(4, "no such error"), outputs(4, [1])];
  for (const [n, bad] of wrong.entries()) {
    replica.must(work([], [assign(id, 1, n === 0 ? undefined : 0)]));
    replica.must(work([completion(id, 0, bad, { attempt: n + 1 })], []));
    t.deepEqual(open(replica, id)[0]?.attempts, []);
  }
  t.is(jobOf(replica, id).doneInputs, 0);
});

test("a node that goes down or starts anew leaves its queries open and unattended", (t) => {
  for (const loss of [
    { kind: "mark-member", node: "n1" as never, boot: "boot1", state: "down" } as const,
    register(1, { boot: "next" }),
  ]) {
    const replica = cluster();
    const id = submit(replica);
    replica.must(work([], [assign(id, 1), assign(id, 2), assign(id, 1, 1)]));
    replica.must(loss);
    const attempts = open(replica, id).map((query) => query.attempts.map((a) => a.node));
    t.deepEqual(attempts, [[], ["n2"]]);
    t.is(jobOf(replica, id).openQueries, 2);
    replica.must(work([], [assign(id, 2, 0)]));
    t.like(jobOf(replica, id), { retries: 1, speculativeAttempts: 1 }, "the second was of query 1");
  }
});

test("a mark for another boot than the recorded one is old news", (t) => {
  const replica = cluster();
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  replica.must({ kind: "mark-member", node: "n1" as never, boot: "before", state: "down" });
  t.is(replica.machine.members.get("n1" as never)?.state, "up");
  t.is(open(replica, id)[0]?.attempts.length, 1);
});

test("a further attempt on a node replaces its earlier one (S5)", (t) => {
  const replica = cluster();
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  replica.must(work([], [assign(id, 1, 0), assign(id, 2, 0)]));
  const [query] = open(replica, id);
  t.deepEqual(
    query?.attempts.map((a) => [a.node, a.attempt]),
    [
      ["n1", 2],
      ["n2", 3],
    ],
  );
  t.is(query?.lastAttempt, 3 as never);
});

test("a job fails past maxErrors, and its open queries end with it (S4)", (t) => {
  const replica = cluster();
  const id = submit(replica, { maxErrors: 1, batchSize: 2 });
  replica.must(work([], [assign(id, 1), assign(id, 2), assign(id, 3)]));
  replica.must(work([completion(id, 0, ["unreadable", [1, 1]])], []));
  t.is(jobOf(replica, id).status.kind, "running");
  replica.must(work([completion(id, 1, ["unreadable", [1, 1]])], [assign(id, 1)]));
  t.like(jobOf(replica, id), { status: { kind: "failed" }, openQueries: 0, errorInputs: 2 });
  t.is(open(replica, id).length, 0);
  replica.must(work([completion(id, 2, outputs(2))], []));
  t.is(jobOf(replica, id).doneQueries, 2);
});

test("a paused job gets no work, but its results count", (t) => {
  const replica = cluster();
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  replica.must({ kind: "steer-job", job: id, to: "paused" });
  replica.must(work([completion(id, 0, outputs(4))], [assign(id, 1)]));
  t.like(jobOf(replica, id), { doneInputs: 4, cursor: 4, openQueries: 0 });
});

test("a job begins, and resumes, at the least progress of the running ones", (t) => {
  const replica = cluster();
  const first = submit(replica, { totalInputs: 100, batchSize: 1 });
  const paused = submit(replica, { totalInputs: 100, batchSize: 1 });
  replica.must({ kind: "steer-job", job: paused, to: "paused" });
  replica.must(work([], [assign(first, 1), assign(first, 1), assign(first, 1)]));
  t.is(jobOf(replica, submit(replica)).progress, 3);
  replica.must({ kind: "steer-job", job: paused, to: "running" });
  t.is(jobOf(replica, paused).progress, 3);
});

test("a job that is ahead keeps its progress when it resumes", (t) => {
  const replica = cluster();
  const ahead = submit(replica, { totalInputs: 100, batchSize: 1 });
  submit(replica);
  replica.must(work([], [assign(ahead, 1), assign(ahead, 1)]));
  replica.must({ kind: "steer-job", job: ahead, to: "paused" });
  replica.must({ kind: "steer-job", job: ahead, to: "running" });
  t.is(jobOf(replica, ahead).progress, 2);
});

test("a job whose inputs are all handed out holds no newcomer back", (t) => {
  const replica = cluster();
  const waiting = submit(replica, { totalInputs: 1, batchSize: 1 });
  const long = submit(replica, { totalInputs: 100, batchSize: 1 });
  replica.must(work([], [assign(waiting, 1), ...Array.from({ length: 9 }, () => assign(long, 1))]));
  t.is(jobOf(replica, submit(replica, { totalInputs: 100 })).progress, 9);
});

test("a newcomer that runs alone gets no lead over those that are paused", (t) => {
  const replica = cluster();
  const paused = submit(replica, { totalInputs: 100, batchSize: 1 });
  replica.must(work([], [assign(paused, 1), assign(paused, 1), assign(paused, 1)]));
  replica.must({ kind: "steer-job", job: paused, to: "paused" });
  const alone = submit(replica, { totalInputs: 100, batchSize: 1 });
  t.is(jobOf(replica, alone).progress, 3);
  replica.must({ kind: "steer-job", job: paused, to: "running" });
  t.is(jobOf(replica, paused).progress, 3);
});

test("cancelling frees the job's queries, and an ended job cannot be steered", (t) => {
  const replica = cluster();
  const id = submit(replica);
  replica.must(work([], [assign(id, 1)]));
  replica.must({ kind: "steer-job", job: id, to: "cancelled" });
  t.like(jobOf(replica, id), { status: { kind: "cancelled" }, openQueries: 0 });
  t.is(open(replica, id).length, 0);
  for (const to of ["running", "paused", "cancelled"] as const)
    t.is(codeOf(replica.apply({ kind: "steer-job", job: id, to }).outcome), "CONFLICT");
  const set = replica.apply({ kind: "set-job", job: id, batchSize: 2, weight: undefined });
  t.is(codeOf(set.outcome), "CONFLICT");
});

test("finishing makes the results visible and the job done, once and only when all is answered", (t) => {
  const replica = cluster();
  const id = submit(replica, { totalInputs: 4 });
  const [results] = upload(`jobs/${id}/results.ndjson`, [chunk(7, [1, 2, 3])]).files;
  const finish = { kind: "finish-job", job: id, results: results! } as const;
  t.is(codeOf(replica.apply(finish).outcome), "CONFLICT");
  replica.must(work([], [assign(id, 1)]));
  t.is(codeOf(replica.apply(finish).outcome), "CONFLICT");
  replica.must(work([completion(id, 0, outputs(4))], []));
  const poor = { ...results!, chunks: [chunk(7, [1])] };
  t.is(codeOf(replica.apply({ ...finish, results: poor }).outcome), "TOO_FEW_COPIES");
  t.is(jobOf(replica, id).status.kind, "running");
  replica.must(finish);
  const { status } = jobOf(replica, id);
  t.like(status, { kind: "done", results: { path: `jobs/${id}/results.ndjson`, version: 1 } });
  t.is(codeOf(replica.apply(finish).outcome), "CONFLICT");
  t.is([...replica.table("version")].length, 3);
});

test("pruning deletes an ended job's rows, 500 at a time", (t) => {
  const replica = cluster();
  const id = submit(replica, { totalInputs: 700, batchSize: 1 });
  const queries = Array.from({ length: 700 }, (_, n) => n);
  replica.must(
    work(
      [],
      queries.map(() => assign(id, 1)),
    ),
  );
  replica.must(
    work(
      queries.map((n) => completion(id, n, outputs(1))),
      [],
    ),
  );
  const prune = { kind: "prune-results", job: id } as const;
  t.is(codeOf(replica.apply(prune).outcome), "CONFLICT");
  replica.must({ kind: "steer-job", job: id, to: "cancelled" });
  t.is([...replica.table("result")].length, 700);
  replica.must(prune);
  t.is([...replica.table("result")].length, 200);
  replica.must(prune);
  t.is([...replica.table("result")].length, 0);
  t.is(jobOf(replica, id).prunedQueries, 700);
  // Done: nothing more is written.
  t.deepEqual(
    replica.must(prune).mutations.map((m) => m.key),
    ["meta/logTime"],
  );
});

test("a work command writes the small row of a job, not the one with its model and lists", (t) => {
  const replica = cluster();
  const id = submit(replica);
  const { mutations } = replica.must(work([], [assign(id, 1)]));
  t.deepEqual(
    mutations.map((m) => m.key),
    [`query/${id}/0000000000`, `progress/${id}`, "meta/logTime"],
  );
});

test("unfinished jobs are bounded", (t) => {
  const replica = cluster(1);
  for (let n = 0; n < 1_000; n += 1) submit(replica);
  t.is(codeOf(replica.apply(submission()).outcome), "BUSY");
});
