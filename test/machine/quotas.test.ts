/** Quotas as a replica applies them. Q1 to Q4 are numbered in src/sdfs/catalog/quotas.ts. */
import test from "ava";
import fc from "fast-check";
import type { Outcome } from "../../src/lib/outcome.ts";
import {
  quotaAgainst,
  quotaDepth,
  quotaId,
  quotasLimit,
  usedOf,
} from "../../src/sdfs/catalog/quotas.ts";
import type { FileRecord } from "../../src/sdfs/catalog/types.ts";
import { holds } from "../lib/property.ts";
import {
  Replica,
  assign,
  chunk,
  cluster,
  completion,
  outputs,
  submit,
  upload,
  work,
} from "./fixtures.ts";
import { amountUnder, checkInvariants } from "./invariants.ts";

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");
const set = (prefix: string, limits: { readonly bytes?: number; readonly files?: number } = {}) =>
  ({ kind: "set-quota", prefix, ...limits }) as const;
const put = (path: string, bytes: number) => upload(path, [chunk(100 + bytes, [1], 0, bytes)]);
const quotaOf = (replica: Replica, prefix: string) => replica.machine.quotas.get(quotaId(prefix));

/** Has the quota of a prefix counted, as a leader does. */
function count(replica: Replica, prefix: string): void {
  const { made = 0, delta = { bytes: 0, files: 0 } } = quotaOf(replica, prefix) ?? {};
  const { bytes, files } = amountUnder(replica, prefix);
  const base = { bytes: bytes - delta.bytes, files: files - delta.files };
  replica.must({ kind: "count-quota", prefix, made, ...base });
}

/** A quota that has been counted. */
function limited(replica: Replica, prefix: string, limits: { bytes?: number; files?: number }) {
  replica.must(set(prefix, limits));
  count(replica, prefix);
}

test("a put that would exceed a quota is refused as a whole, and says which and by how much (Q3)", (t) => {
  const replica = cluster(1);
  limited(replica, "a/", { bytes: 100, files: 2 });
  replica.must(put("a/x", 60));
  t.deepEqual(replica.apply(put("a/y", 41)).outcome, {
    kind: "refused",
    code: "QUOTA_EXCEEDED",
    details: { prefix: "a/", unit: "bytes", wanted: 101, limit: 100 },
  });
  replica.must(put("a/y", 40));
  const third = replica.apply({
    kind: "commit-files",
    files: [...put("b", 1).files, ...put("a/z", 0).files.map((f) => ({ ...f, chunks: [] }))],
  });
  t.like(third.outcome, { code: "QUOTA_EXCEEDED", details: { unit: "files", wanted: 3 } });
  t.is(replica.row("file/b"), undefined);
  t.is(codeOf(replica.apply(put("ax", 1_000)).outcome), "ok", "a prefix is a folder");
  t.deepEqual(usedOf(quotaOf(replica, "a/") ?? t.fail()), { bytes: 100, files: 2 });
  checkInvariants(replica);
});

test("the newest version of a file counts, and older ones do not (Q1)", (t) => {
  const replica = cluster(1);
  limited(replica, "", { bytes: 100_000 });
  const before = amountUnder(replica, "").bytes;
  for (const bytes of [50, 10, 90]) replica.must(put("x", bytes));
  t.is(usedOf(quotaOf(replica, "") ?? t.fail()).bytes, before + 90);
  replica.must({ kind: "remove-file", path: "x" });
  t.is(usedOf(quotaOf(replica, "") ?? t.fail()).bytes, before);
  replica.must({ kind: "restore-file", path: "x" });
  t.is(usedOf(quotaOf(replica, "") ?? t.fail()).bytes, before + 90);
  checkInvariants(replica);
});

test("what adds nothing is never refused, also where there is too much already (Q3)", (t) => {
  const replica = cluster(1);
  for (const path of ["a/x", "a/y", "a/z"]) replica.must(put(path, 50));
  limited(replica, "a/", { bytes: 10, files: 1 });
  t.is(codeOf(replica.apply(put("a/x", 51)).outcome), "QUOTA_EXCEEDED");
  t.is(codeOf(replica.apply(put("a/x", 50)).outcome), "ok");
  t.is(codeOf(replica.apply(put("a/x", 1)).outcome), "ok");
  const move = (from: string, to: string) =>
    codeOf(replica.apply({ kind: "move-files", moves: [{ from, to }] }).outcome);
  t.is(move("a/y", "a/b/y"), "ok", "within the folder");
  t.is(move("a/b/y", "y"), "ok");
  t.is(move("y", "a/y"), "QUOTA_EXCEEDED");
  t.is(codeOf(replica.apply({ kind: "remove-file", path: "a/z" }).outcome), "ok");
  t.is(codeOf(replica.apply({ kind: "restore-file", path: "a/z" }).outcome), "QUOTA_EXCEEDED");
  checkInvariants(replica);
});

test("one command is judged by what it does in all: a file may give way to another (Q3)", (t) => {
  const replica = cluster(1);
  replica.must(put("a/x", 50));
  replica.must(put("y", 50));
  limited(replica, "a/", { bytes: 50, files: 1 });
  const moves = [
    { from: "y", to: "a/y" },
    { from: "a/x", to: "x" },
  ];
  t.is(codeOf(replica.apply({ kind: "move-files", moves }).outcome), "ok");
  const [grown] = put("a/y", 50).files;
  const [shrunk] = put("a/y", 10).files;
  const [other] = put("a/y", 60).files;
  t.is(
    codeOf(replica.apply({ kind: "commit-files", files: [other!, shrunk!, grown!] }).outcome),
    "ok",
  );
  checkInvariants(replica);
});

test("every quota above a file holds, as deep as quotas may be", (t) => {
  const replica = cluster(1);
  const deepest = "d/".repeat(quotaDepth);
  for (const prefix of ["", "d/", "d/d/", deepest]) limited(replica, prefix, { files: 1_000 });
  replica.must(put(`${deepest}x`, 5));
  for (const prefix of ["", "d/", "d/d/", deepest])
    t.is(Number(quotaOf(replica, prefix)?.delta.bytes), 5, prefix);
  limited(replica, "d/d/", { files: 1 });
  t.is(codeOf(replica.apply(put(`${deepest}y`, 5)).outcome), "QUOTA_EXCEEDED");
  checkInvariants(replica);
});

test("until it is counted, a quota judges only what was added since it was made (Q3)", (t) => {
  const replica = cluster(1);
  for (const path of ["a/x", "a/y"]) replica.must(put(path, 10));
  replica.must(set("a/", { files: 3 }));
  t.is(quotaOf(replica, "a/")?.base, undefined);
  replica.must(put("a/1", 1));
  replica.must({ kind: "remove-file", path: "a/x" });
  for (const path of ["a/2", "a/3", "a/4"]) replica.must(put(path, 1));
  t.is(codeOf(replica.apply(put("a/5", 1)).outcome), "QUOTA_EXCEEDED");
  count(replica, "a/");
  t.deepEqual(quotaOf(replica, "a/")?.base, { bytes: 20, files: 2 });
  t.is(codeOf(replica.apply(put("a/5", 1)).outcome), "QUOTA_EXCEEDED");
  t.is(usedOf(quotaOf(replica, "a/") ?? t.fail()).files, 5);
  checkInvariants(replica.restarted());
});

test("a count of another quota, or a second one, changes nothing (Q4)", (t) => {
  const replica = cluster(1);
  replica.must(put("a/x", 10));
  replica.must(set("a/", { files: 3 }));
  const made = quotaOf(replica, "a/")?.made ?? 0;
  const counted = { kind: "count-quota", prefix: "a/", made, bytes: 10, files: 1 } as const;
  replica.must(set("a/"));
  replica.must(counted);
  t.is(replica.machine.quotas.size, 0);
  replica.must(set("a/", { files: 3 }));
  replica.must(counted);
  t.is(quotaOf(replica, "a/")?.base, undefined);
  count(replica, "a/");
  replica.must({ ...counted, made: quotaOf(replica, "a/")?.made ?? 0, files: 77 });
  t.deepEqual(quotaOf(replica, "a/")?.base, { bytes: 10, files: 1 });
  checkInvariants(replica);
});

test("new limits keep what is known; those that are not given are none", (t) => {
  const replica = cluster(1);
  limited(replica, "a/", { files: 3 });
  replica.must(put("a/x", 10));
  replica.must(set("a/", { bytes: 10 }));
  const { made, ...rest } = quotaOf(replica, "a/") ?? t.fail();
  t.true(made > 0);
  t.deepEqual(rest, {
    prefix: "a/",
    bytesLimit: 10,
    delta: { bytes: 10, files: 1 },
    base: { bytes: 0, files: 0 },
  });
  t.deepEqual([...replica.restarted().machine.quotas], [...replica.machine.quotas]);
});

test("a prefix ends in a slash or is empty, is a path otherwise, and not too deep", (t) => {
  const replica = cluster(1);
  for (const prefix of ["", "a/", "ü/猫/", "a b/%2F/", "d/".repeat(quotaDepth)])
    t.is(codeOf(replica.apply(set(prefix, { files: 1_000 })).outcome), "ok", prefix);
  for (const prefix of [
    "a",
    "/",
    "a//",
    "../",
    "a/./",
    "a\n/",
    "\ud800/",
    "d/".repeat(quotaDepth + 1),
  ])
    t.is(codeOf(replica.apply(set(prefix, { files: 1 })).outcome), "INVALID", prefix);
  t.is(codeOf(replica.apply(set("none/")).outcome), "NOT_FOUND");
  t.is(codeOf(replica.apply(set("a/")).outcome), "ok");
});

test("there are at most 1,000 quotas; known ones can be changed", (t) => {
  const replica = new Replica();
  for (let n = 0; n < quotasLimit; n += 1) replica.must(set(`${n}/`, { files: 1 }));
  t.is(codeOf(replica.apply(set("more/", { files: 1 })).outcome), "BUSY");
  replica.must(set("7/", { files: 2 }));
  replica.must(set("8/"));
  replica.must(set("more/", { files: 1 }));
});

test("a job's results are never refused, but count", (t) => {
  const replica = cluster(1);
  limited(replica, "jobs/", { files: 0, bytes: 0 });
  const job = submit(replica, { totalInputs: 4 });
  replica.must(work([], [assign(job, 1)]));
  replica.must(work([completion(job, 0, outputs(4))], []));
  const [results] = put(`jobs/${job}/results.ndjson`, 30).files;
  t.is(codeOf(replica.apply({ kind: "finish-job", job, results: results! }).outcome), "ok");
  t.deepEqual(usedOf(quotaOf(replica, "jobs/") ?? t.fail()), { bytes: 30, files: 1 });
  t.is(codeOf(replica.apply(put("jobs/x", 1)).outcome), "QUOTA_EXCEEDED");
  checkInvariants(replica);
});

test("a file deeper than any quota counts for those above it", (t) => {
  const replica = cluster(1);
  limited(replica, "a/", { files: 1 });
  replica.must(put(`${"a/".repeat(quotaDepth + 3)}x`, 1));
  t.is(codeOf(replica.apply(put("a/y", 1)).outcome), "QUOTA_EXCEEDED");
});

test("what an older version kept is counted from its versions", (t) => {
  const replica = cluster(1);
  replica.must(put("x", 5));
  const { keptBytes: _, ...older } = replica.row("file/x") as FileRecord;
  replica.put("file/x", older);
  replica.must(put("x", 7));
  t.is((replica.row("file/x") as FileRecord).keptBytes, 12);
});

test("what is foreseen of a put is what its command decides", (t) => {
  holds(
    t,
    fc.property(
      fc.array(fc.record({ n: fc.nat(3), bytes: fc.integer({ min: 1, max: 60 }) }), {
        maxLength: 12,
      }),
      fc.record({ bytes: fc.option(fc.nat(120), { nil: undefined }), files: fc.nat(4) }),
      (puts, limits) => {
        const replica = cluster(1);
        const { bytes: most, files } = limits;
        limited(replica, "a/", most === undefined ? { files } : { bytes: most, files });
        limited(replica, "", { bytes: 100 });
        for (const { n, bytes } of puts) {
          const path = ["a/0", "a/1", "a/deep/2", "b"][n] ?? "b";
          const before = replica.row(`file/${path}`) as FileRecord | undefined;
          const foreseen = quotaAgainst(replica.machine.quotas, { path, bytes, before });
          const { outcome } = replica.apply(put(path, bytes));
          t.is(codeOf(outcome), foreseen === undefined ? "ok" : codeOf(foreseen));
        }
      },
    ),
    100,
  );
});
