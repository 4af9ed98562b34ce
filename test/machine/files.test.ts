/** Files, stores, members and models as a replica applies them. C1 to C4 are numbered in src/sdfs/catalog/commit.ts. */
import test from "ava";
import { pack } from "../../src/lib/msgpack.ts";
import type { Outcome } from "../../src/lib/outcome.ts";
import { FileVersion, StoreId } from "../../src/lib/types.ts";
import { trimsPerCommit } from "../../src/sdfs/catalog/commit.ts";
import type { ChunkRecord, FileRecord } from "../../src/sdfs/catalog/types.ts";
import {
  type Replica,
  chunk,
  cluster,
  hashOf,
  manifest,
  nodeName,
  register,
  upload,
} from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");
const chunkRow = (replica: Replica, n: number) => replica.row(`chunk/${hashOf(n)}`) as ChunkRecord;
const fileRow = (replica: Replica, path: string) => replica.row(`file/${path}`) as FileRecord;
const down = (n: number) =>
  ({ kind: "mark-member", node: nodeName(n), boot: `boot${n}`, state: "down" }) as const;

test("a commit makes a version visible, its chunks known and held (C1, C2)", (t) => {
  const replica = cluster(3);
  const { outcome } = replica.must(upload("a/b", [chunk(7, [3, 1, 2]), chunk(7, [1, 2, 3])]));
  t.deepEqual(outcome, {
    kind: "ok",
    value: { kind: "files", runs: [1, 3, 1] },
  });
  t.deepEqual(chunkRow(replica, 7), {
    hash: hashOf(7),
    bytes: 10,
    stores: ["store1", "store2", "store3"] as never,
    references: 1,
  });
  t.is(replica.row(`held/store2/${hashOf(7)}`), 10);
  t.like(fileRow(replica, "a/b"), { versions: [1 as never], last: 1 as never, bytes: 20 });
  t.like(replica.row("version/a/b@0000000001"), { index: replica.index, copies: 3 });
});

test("copies are counted on distinct active stores, and must be as many as there are members, up to four", (t) => {
  const five = cluster(5);
  t.is(codeOf(five.apply(upload("x", [chunk(7, [1, 2, 3])])).outcome), "TOO_FEW_COPIES");
  t.is(codeOf(five.apply(upload("x", [chunk(7, [1, 1, 2, 3])])).outcome), "TOO_FEW_COPIES");
  t.is(codeOf(five.apply(upload("x", [chunk(7, [1, 2, 3, 9])])).outcome), "TOO_FEW_COPIES");
  t.is(codeOf(five.apply(upload("x", [chunk(7, [1, 2, 3, 5])])).outcome), "ok");
  const two = cluster(2);
  t.is(codeOf(two.apply(upload("x", [chunk(7, [1])])).outcome), "TOO_FEW_COPIES");
  t.is(codeOf(two.apply(upload("x", [chunk(7, [1, 2])])).outcome), "ok");
});

test("a node just gone still counts as required; one that is gone for 30 s does not", (t) => {
  const replica = cluster(2);
  replica.must(down(2));
  replica.at += 29_000;
  t.is(codeOf(replica.apply(upload("x", [chunk(7, [1])])).outcome), "TOO_FEW_COPIES");
  replica.at += 1_000;
  t.is(codeOf(replica.apply(upload("x", [chunk(7, [1])])).outcome), "ok");
});

test("a commit is refused as a whole, and a refused one leaves no trace", (t) => {
  const replica = cluster(2);
  const before = new Map(replica.rows);
  const [good] = upload("good", [chunk(7, [1, 2])]).files;
  const [bad] = upload("bad", [chunk(8, [1])]).files;
  const { mutations } = replica.apply({ kind: "commit-files", files: [good!, bad!] });
  t.deepEqual(
    mutations.map((m) => m.key),
    ["meta/logTime"],
  );
  t.deepEqual([...replica.rows.keys()], [...before.keys()]);
});

test("an upload that cannot be right is refused with a remedy", (t) => {
  const replica = cluster(1);
  const [file] = upload("x", [chunk(7, [1])]).files;
  const refused = (more: object) =>
    codeOf(replica.apply({ kind: "commit-files", files: [{ ...file!, ...more }] }).outcome);
  t.is(refused({ path: "../x" }), "INVALID");
  t.is(refused({ bytes: 11 }), "INVALID");
  t.is(refused({ chunks: [chunk(7, [1], 0, 4 * 1024 * 1024 + 1)] }), "INVALID");
  t.is(refused({ chunks: [chunk(2, [1], 0, 11)], bytes: 11 }), "INVALID");
  t.is(refused({ chunks: [], bytes: 0 }), "ok");
});

test("ifVersion makes a put conditional", (t) => {
  const replica = cluster(1);
  const put = (ifVersion: number) =>
    codeOf(replica.apply(upload("x", [chunk(7, [1])], ifVersion)).outcome);
  t.is(put(1), "CONFLICT");
  t.is(put(0), "ok");
  t.is(put(0), "CONFLICT");
  t.is(put(1), "ok");
  replica.must({ kind: "remove-file", path: "x" });
  t.is(put(2), "CONFLICT");
  t.is(put(0), "ok");
  t.deepEqual(fileRow(replica, "x").versions, [3 as never]);
});

test("the newest five versions are readable; older ones wait for collection, their references kept (C2, C3)", (t) => {
  const replica = cluster(1);
  for (let n = 0; n < 7; n += 1) replica.must(upload("x", [chunk(7, [1])]));
  t.deepEqual(fileRow(replica, "x").versions, [3, 4, 5, 6, 7] as never);
  t.is(replica.row("version/x@0000000002"), undefined);
  t.is([...replica.table("removed")].length, 2);
  t.is(chunkRow(replica, 7).references, 7);
});

test("as many versions stay readable as the setting says, from each file's next commit on (C3)", (t) => {
  const replica = cluster(1);
  const keep = (value?: string) =>
    replica.must({ kind: "set-setting", name: "sdfs-versions", value });
  const put = () => replica.must(upload("x", [chunk(7, [1])]));
  keep("8");
  for (let n = 0; n < 9; n += 1) put();
  t.deepEqual(fileRow(replica, "x").versions, [2, 3, 4, 5, 6, 7, 8, 9] as never);
  keep("3");
  t.is(fileRow(replica, "x").versions.length, 8, "nothing goes before the next commit");
  put();
  t.deepEqual(fileRow(replica, "x").versions, [8, 9, 10] as never);
  t.is([...replica.table("removed")].length, 7);
  keep();
  for (let n = 0; n < 4; n += 1) put();
  t.deepEqual(fileRow(replica, "x").versions, [10, 11, 12, 13, 14] as never);
  checkInvariants(replica, { versionsKept: 8 });
  t.deepEqual(checkInvariants(replica.restarted()), undefined);
});

test("lowering the number of versions never makes a command too long: the rest goes later (C3)", (t) => {
  const replica = cluster(1);
  const keep = (value: string) =>
    replica.must({ kind: "set-setting", name: "sdfs-versions", value });
  const files = Array.from({ length: 60 }, (_, n) => upload(`f${n}`, [chunk(7, [1])]).files[0]!);
  const putAll = () => replica.must({ kind: "commit-files", files });
  const readable = () => files.map(({ path }) => fileRow(replica, path).versions.length);
  keep("100");
  for (let n = 0; n < 100; n += 1) putAll();
  keep("1");
  putAll();
  // 50 files lose 100 versions each, which is all that one command may take; the others one.
  t.deepEqual(
    readable(),
    files.map((_, n) => (n < trimsPerCommit / 100 ? 1 : 100)),
  );
  putAll();
  t.deepEqual(
    readable(),
    files.map(() => 1),
  );
  t.is([...replica.table("removed")].length, 60 * 101);
  checkInvariants(replica, { versionsKept: 1 });
});

test("removing a file removes its versions, and no number is given twice (C3)", (t) => {
  const replica = cluster(1);
  replica.must(upload("x", [chunk(7, [1])]));
  replica.must(upload("x", [chunk(8, [1])]));
  t.deepEqual(replica.must({ kind: "remove-file", path: "x" }).outcome, {
    kind: "ok",
    value: { kind: "files", runs: [2, 1, 1] },
  });
  t.is([...replica.table("removed")].length, 2);
  t.is(codeOf(replica.apply({ kind: "remove-file", path: "x" }).outcome), "NOT_FOUND");
  replica.must(upload("x", [chunk(7, [1])]));
  t.like(fileRow(replica, "x"), { versions: [3 as never], last: 3 as never });
});

test("an acknowledgement from before a drop is void (C4)", (t) => {
  const replica = cluster(1);
  replica.rows.set(`dropped/store1/${hashOf(7)}`, pack(20));
  t.is(codeOf(replica.apply(upload("x", [chunk(7, [1], 19)])).outcome), "STALE_CATALOG");
  t.is(codeOf(replica.apply(upload("x", [chunk(7, [1], 20)])).outcome), "ok");
  replica.must({ kind: "lose-chunks", store: StoreId("store1"), chunks: [hashOf(7)] });
  const lost = replica.index;
  const place = (index: number) =>
    replica.must({
      kind: "place-chunks",
      store: StoreId("store1"),
      chunks: [{ hash: hashOf(7), index }],
    });
  place(lost - 1);
  t.deepEqual(chunkRow(replica, 7).stores, []);
  place(lost);
  t.deepEqual(chunkRow(replica, 7).stores, ["store1"] as never);
});

test("placing and losing chunks keep both directions in step (C1)", (t) => {
  const replica = cluster(2);
  replica.must(register(3));
  replica.must({
    kind: "place-chunks",
    store: StoreId("store3"),
    chunks: [1, 2, 99].map((n) => ({ hash: hashOf(n), index: 1 })),
  });
  t.deepEqual(chunkRow(replica, 1).stores, ["store1", "store2", "store3"] as never);
  t.is([...replica.table("held/store3")].length, 2);
  const losses = replica.machine.chunkLosses;
  replica.must({ kind: "lose-chunks", store: StoreId("store1"), chunks: [hashOf(1), hashOf(99)] });
  t.is(replica.machine.chunkLosses, losses + 1, "repair looks again");
  t.deepEqual(chunkRow(replica, 1).stores, ["store2", "store3"] as never);
  t.is(replica.row(`held/store1/${hashOf(1)}`), undefined);
  const many = Array.from({ length: 501 }, (_, n) => hashOf(n));
  const lose = { kind: "lose-chunks", store: StoreId("store1"), chunks: many } as const;
  t.is(codeOf(replica.apply(lose).outcome), "TOO_LARGE");
  const unknown = { ...lose, store: StoreId("nowhere"), chunks: [] };
  t.is(codeOf(replica.apply(unknown).outcome), "NOT_FOUND");
});

test("a node with a new store has lost the old one, whose copies no longer count", (t) => {
  const replica = cluster(1);
  replica.must(register(1, { store: StoreId("fresh") }));
  t.is(replica.machine.stores.get(StoreId("store1"))?.state, "lost");
  t.is(replica.machine.stores.get(StoreId("fresh"))?.state, "active");
  t.is(codeOf(replica.apply(upload("x", [chunk(7, [1])])).outcome), "TOO_FEW_COPIES");
  const place = { kind: "place-chunks", store: StoreId("store1"), chunks: [] } as const;
  t.is(codeOf(replica.apply(place).outcome), "CONFLICT");
});

test("a name is taken over by another incarnation only when its node is down", (t) => {
  const replica = cluster(2);
  const other = register(1, { incarnation: "other", boot: "b", store: StoreId("s") });
  t.is(codeOf(replica.apply(other).outcome), "CONFLICT");
  replica.must(down(1));
  t.is(codeOf(replica.apply(other).outcome), "ok");
  t.like(replica.machine.members.get(nodeName(1)), { incarnation: "other", state: "up" });
});

test("two nodes that are up cannot share a store; a store may move with its disk", (t) => {
  const replica = cluster(2);
  const moved = register(3, { store: StoreId("store1") });
  t.is(codeOf(replica.apply(moved).outcome), "CONFLICT");
  replica.must(down(1));
  replica.must(moved);
  t.like(replica.machine.stores.get(StoreId("store1")), { node: "n3", state: "active" });
});

test("a model's version grows with its content, not with repetition", (t) => {
  const replica = cluster(1);
  const file = { path: "models/tiny.onnx", version: FileVersion(1) };
  const add = (more: object) => {
    const { outcome } = replica.apply({
      kind: "add-model",
      manifest: { ...manifest, ...more },
      file,
    });
    return outcome.kind === "ok" && outcome.value.kind === "model"
      ? outcome.value.version
      : codeOf(outcome);
  };
  t.is(add({}), 1);
  t.is(add(Object.fromEntries(Object.entries(manifest).toReversed())), 1);
  t.is(add({ sha256: "cd".repeat(32) }), 2);
  t.is(add({ sha256: "cd".repeat(32), topK: 3 }), 3);
  const gone = { path: "nowhere", version: FileVersion(1) };
  t.is(codeOf(replica.apply({ kind: "add-model", manifest, file: gone }).outcome), "NOT_FOUND");
});
