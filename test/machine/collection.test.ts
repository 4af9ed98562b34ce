/** Removed files, garbage and drops as a replica applies them. G1 to G3: src/sdfs/catalog/collection.ts; H: replicas.ts. */
import test from "ava";
import type { Outcome } from "../../src/lib/outcome.ts";
import { StoreId } from "../../src/lib/types.ts";
import type { ChunkRecord, FileRecord, VersionRecord } from "../../src/sdfs/catalog/types.ts";
import {
  type Replica,
  chunk,
  cluster,
  hashOf,
  nodeName,
  register,
  submission,
  upload,
} from "./fixtures.ts";

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");
const chunkRow = (replica: Replica, n: number) =>
  replica.row(`chunk/${hashOf(n)}`) as ChunkRecord | undefined;
const removedIds = (replica: Replica): string[] =>
  [...replica.rows.keys()]
    .filter((key) => key.startsWith("removed/"))
    .map((key) => key.slice("removed/".length))
    .toSorted();
const collect = (replica: Replica) =>
  replica.must({ kind: "collect-versions", ids: removedIds(replica) });
const collectChunks = (replica: Replica, ...names: number[]) =>
  replica.must({ kind: "collect-chunks", chunks: names.map(hashOf) });
const all = [1, 2, 3, 4];
const hour = 3_600_000;
const store = (n: number) => StoreId(`store${n}`);

test("a removed file comes back with its versions, as long as collection has not had them", (t) => {
  const replica = cluster(4);
  for (const n of [10, 11]) replica.must(upload("x", [chunk(n, all)]));
  const before = replica.row("version/x@0000000001") as VersionRecord;
  replica.must({ kind: "remove-file", path: "x" });
  collect(replica);
  t.is(removedIds(replica).length, 2, "its owner may want it back");
  const { outcome } = replica.must({ kind: "restore-file", path: "x" });
  t.deepEqual(outcome, {
    kind: "ok",
    value: { kind: "files", runs: [2, 4, 1] },
  });
  t.deepEqual(replica.row("version/x@0000000001"), before);
  t.like(replica.row("file/x"), { versions: [1 as never, 2 as never], bytes: 10 });
  t.false("removal" in (replica.row("file/x") as FileRecord));
  t.is(codeOf(replica.apply({ kind: "restore-file", path: "x" }).outcome), "CONFLICT");
  t.is(codeOf(replica.apply({ kind: "restore-file", path: "y" }).outcome), "NOT_FOUND");
});

test("after its time a removed file is collected; a purged or outnumbered version at once", (t) => {
  const replica = cluster(4);
  replica.must(upload("x", [chunk(10, all)]));
  replica.must({ kind: "remove-file", path: "x" });
  replica.at += hour - 100;
  collect(replica);
  t.is(chunkRow(replica, 10)?.references, 1);
  replica.at += 100;
  collect(replica);
  t.is(chunkRow(replica, 10)?.references, 0);
  t.is(replica.row(`garbage/${hashOf(10)}`), 10);
  t.is(codeOf(replica.apply({ kind: "restore-file", path: "x" }).outcome), "NOT_FOUND");
  replica.must(upload("y", [chunk(11, all)]));
  replica.must({ kind: "remove-file", path: "y", purge: true });
  t.is(codeOf(replica.apply({ kind: "restore-file", path: "y" }).outcome), "NOT_FOUND");
  for (let n = 20; n < 26; n += 1) replica.must(upload("z", [chunk(n, all)]));
  collect(replica);
  t.deepEqual([chunkRow(replica, 11)?.references, chunkRow(replica, 20)?.references], [0, 0]);
  t.is(chunkRow(replica, 21)?.references, 1);
});

test("the time for which removed files are kept is a setting", (t) => {
  const replica = cluster(4);
  replica.must({ kind: "set-setting", name: "sdfs-undelete-s", value: "2" });
  replica.must(upload("x", [chunk(10, all)]));
  replica.must({ kind: "remove-file", path: "x" });
  replica.at += 2_000;
  collect(replica);
  t.is(chunkRow(replica, 10)?.references, 0);
  for (const value of ["-1", "1.5", "", "31536001"])
    t.is(
      codeOf(replica.apply({ kind: "set-setting", name: "sdfs-undelete-s", value }).outcome),
      "INVALID",
      value,
    );
});

test("what an unfinished job may have resolved stays, and submissions resolved before a collection are refused (G1)", (t) => {
  const replica = cluster(4);
  replica.must(upload("x", [chunk(10, all)]));
  const resolved = replica.index;
  replica.must({ kind: "remove-file", path: "x", purge: true });
  replica.must(submission({ catalogIndex: resolved }));
  collect(replica);
  t.is(chunkRow(replica, 10)?.references, 1, "the job may name it");
  const [job] = replica.machine.jobs.keys();
  if (job === undefined) throw new Error("there is a job");
  replica.must({ kind: "steer-job", job, to: "cancelled" });
  collect(replica);
  t.is(chunkRow(replica, 10)?.references, 0);
  t.is(codeOf(replica.apply(submission({ catalogIndex: resolved })).outcome), "STALE_CATALOG");
  t.is(codeOf(replica.apply(submission({ catalogIndex: replica.index })).outcome), "ok");
});

test("what a model or an unfinished job pins stays, under whatever name it was removed (G1)", (t) => {
  const replica = cluster(4);
  const [model, list] = [1, 2]; // of models/tiny.onnx and inputs
  replica.must(upload("copy", [chunk(model, all), chunk(10, all)]));
  replica.must(submission({ catalogIndex: replica.index }));
  for (const path of ["models/tiny.onnx", "inputs", "copy"])
    replica.must({ kind: "remove-file", path, purge: true });
  const references = () => [model, list].map((n) => chunkRow(replica, n)?.references);
  collect(replica);
  t.deepEqual(references(), [2, 1]);
  const [job] = replica.machine.jobs.keys();
  if (job === undefined) throw new Error("there is a job");
  replica.must({ kind: "steer-job", job, to: "cancelled" });
  collect(replica);
  t.deepEqual(references(), [2, 0], "the job's list is free");
});

test("the catalog forgets a chunk that nobody names, and only such (G2)", (t) => {
  const replica = cluster(4);
  replica.must(upload("x", [chunk(10, all)]));
  replica.must(upload("y", [chunk(11, all)]));
  replica.must({ kind: "remove-file", path: "x", purge: true });
  collect(replica);
  collectChunks(replica, 10, 11, 12);
  t.is(chunkRow(replica, 10), undefined);
  t.is(replica.row(`held/store1/${hashOf(10)}`), undefined);
  t.is(chunkRow(replica, 11)?.references, 1);
  t.false([...replica.rows.keys()].some((key) => key.startsWith("garbage/")));
});

test("a drop is refused while the catalog counts on the copy, and voids what was acknowledged before (G3)", (t) => {
  const replica = cluster(4);
  const acknowledged = replica.index;
  replica.must(upload("x", [chunk(10, all)]));
  const drop = (...names: number[]) =>
    replica.must({ kind: "drop-chunks", store: store(1), chunks: names.map(hashOf) }).outcome;
  t.deepEqual(drop(10, 11), { kind: "ok", value: { kind: "dropped", hashes: [hashOf(11)] } });
  t.is(codeOf(replica.apply(upload("y", [chunk(11, all, acknowledged)])).outcome), "STALE_CATALOG");
  t.is(codeOf(replica.apply(upload("y", [chunk(11, all, replica.index)])).outcome), "ok");
  const unknown = { kind: "drop-chunks", store: StoreId("storeless"), chunks: [] } as const;
  t.is(codeOf(replica.apply(unknown).outcome), "NOT_FOUND");
});

test("damage voids what was acknowledged before as well, named by the catalog or not (H1)", (t) => {
  const replica = cluster(4);
  const acknowledged = replica.index;
  replica.must({ kind: "lose-chunks", store: store(1), chunks: [hashOf(10)] });
  t.is(codeOf(replica.apply(upload("x", [chunk(10, all, acknowledged)])).outcome), "STALE_CATALOG");
  t.is(codeOf(replica.apply(upload("x", [chunk(10, all, replica.index)])).outcome), "ok");
  const early = [{ hash: hashOf(10), index: acknowledged }];
  replica.must({ kind: "lose-chunks", store: store(1), chunks: [hashOf(10)] });
  replica.must({ kind: "place-chunks", store: store(1), chunks: early });
  t.deepEqual(chunkRow(replica, 10)?.stores, [store(2), store(3), store(4)]);
});

test("forgotten drops raise a floor under which no acknowledgement counts", (t) => {
  const replica = cluster(4);
  replica.must({ kind: "drop-chunks", store: store(1), chunks: [hashOf(10)] });
  const first = replica.index;
  replica.must({ kind: "drop-chunks", store: store(1), chunks: [hashOf(11)] });
  const drops = [10, 11].map((n) => ({ store: store(1), hash: hashOf(n) }));
  replica.must({ kind: "forget-drops", floor: first, drops });
  t.is(replica.row(`dropped/store1/${hashOf(10)}`), undefined);
  t.is(replica.row(`dropped/store1/${hashOf(11)}`), first + 1, "it came later");
  const early = upload("x", [chunk(12, all, first - 1)]);
  t.is(codeOf(replica.apply(early).outcome), "STALE_CATALOG");
  t.is(codeOf(replica.apply(upload("x", [chunk(12, all, replica.index)])).outcome), "ok");
  const ahead = { kind: "forget-drops", floor: replica.index + 9, drops: [] } as const;
  t.is(codeOf(replica.apply(ahead).outcome), "INVALID");
});

test("a copy is given up only while as many others as wanted are on nodes that are up (H2)", (t) => {
  const replica = cluster(6);
  replica.must(upload("x", [chunk(10, [1, 2, 3, 4, 5])]));
  const release = (n: number) =>
    replica.must({ kind: "release-chunks", store: store(n), chunks: [hashOf(10)] });
  replica.must({ kind: "mark-member", node: nodeName(5), boot: "boot5", state: "down" });
  release(1);
  t.is(chunkRow(replica, 10)?.stores.length, 5, "one of the others is down");
  replica.must({ kind: "mark-member", node: nodeName(5), boot: "boot5", state: "up" });
  release(1);
  release(2);
  t.deepEqual(chunkRow(replica, 10)?.stores, [2, 3, 4, 5].map(store));
});

test("commands about too many are refused", (t) => {
  const replica = cluster(4);
  const many = Array.from({ length: 501 }, (_, n) => hashOf(n));
  const drops = many.map((hash) => ({ store: store(1), hash }));
  const ids = many.slice(0, 201).map((_, n) => `${String(n).padStart(12, "0")}/0000`);
  for (const operation of [
    { kind: "collect-chunks", chunks: many },
    { kind: "drop-chunks", store: store(1), chunks: many },
    { kind: "release-chunks", store: store(1), chunks: many },
    { kind: "forget-drops", floor: 0, drops },
    { kind: "collect-versions", ids },
  ] as const)
    t.is(codeOf(replica.apply(operation).outcome), "TOO_LARGE", operation.kind);
});

test("one command collects no more chunks than one commits", (t) => {
  const replica = cluster(1);
  const many = (first: number) => Array.from({ length: 9_000 }, (_, n) => chunk(first + n, [1]));
  replica.must(upload("x", many(100_000)));
  replica.must(upload("y", many(200_000)));
  for (const path of ["x", "y"]) replica.must({ kind: "remove-file", path, purge: true });
  collect(replica);
  t.is(removedIds(replica).length, 1, "the second is for another command");
  collect(replica);
  t.is(removedIds(replica).length, 0);
});

test("what is there no more is passed over", (t) => {
  const replica = cluster(4);
  replica.must({ kind: "collect-versions", ids: ["000000000001/0000"] });
  replica.must({
    kind: "forget-drops",
    floor: 1,
    drops: [{ store: store(1), hash: hashOf(10) }],
  });
  t.is(replica.row(`dropped/store1/${hashOf(10)}`), undefined);
});

test("damage to a chunk that is garbage leaves it garbage, until somebody names it again", (t) => {
  const replica = cluster(4);
  replica.must(upload("x", [chunk(10, all)]));
  replica.must({ kind: "remove-file", path: "x", purge: true });
  collect(replica);
  replica.must({ kind: "lose-chunks", store: store(1), chunks: [hashOf(10)] });
  t.is(replica.row(`garbage/${hashOf(10)}`), 10);
  replica.must(upload("y", [chunk(10, all, replica.index)]));
  t.is(replica.row(`garbage/${hashOf(10)}`), undefined);
});

test("what a store that was replaced had is taken off it, and nothing more is noted", (t) => {
  const replica = cluster(4);
  replica.must(upload("x", [chunk(10, all)]));
  replica.must(register(1, { store: StoreId("new"), boot: "again" }));
  replica.must({ kind: "lose-chunks", store: store(1), chunks: [hashOf(10)] });
  t.deepEqual(chunkRow(replica, 10)?.stores, [2, 3, 4].map(store));
  t.is(replica.row(`dropped/store1/${hashOf(10)}`), undefined);
});

test("copies beyond the wanted ones are listed, until they are given up", (t) => {
  const replica = cluster(5);
  replica.must(upload("x", [chunk(10, [1, 2, 3, 4, 5])]));
  t.is(replica.row(`surplus/${hashOf(10)}`), 5);
  replica.must({ kind: "release-chunks", store: store(1), chunks: [hashOf(10)] });
  t.is(replica.row(`surplus/${hashOf(10)}`), undefined);
});
