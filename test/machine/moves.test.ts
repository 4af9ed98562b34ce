/** Moving files as a replica applies it. N1 to N3 are numbered in src/sdfs/catalog/move.ts. */
import test from "ava";
import fc from "fast-check";
import type { FileMove } from "../../src/lib/content.ts";
import type { Outcome } from "../../src/lib/outcome.ts";
import { moveLimits } from "../../src/sdfs/catalog/move.ts";
import type { ChunkRecord, FileRecord, VersionRecord } from "../../src/sdfs/catalog/types.ts";
import { holds } from "../lib/property.ts";
import { type Replica, chunk, cluster, hashOf, upload } from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");
const fileRow = (replica: Replica, path: string) => replica.row(`file/${path}`) as FileRecord;
const put = (replica: Replica, path: string, n: number) =>
  replica.must(upload(path, [chunk(n, [1])]));
const move = (...pairs: readonly (readonly [from: string, to: string])[]) => ({
  kind: "move-files" as const,
  moves: pairs.map(([from, to]) => ({ from, to })),
});
/** The contents of a path's readable versions, oldest first, by the number of their chunk. */
function contents(replica: Replica, path: string): number[] {
  return fileRow(replica, path).versions.map((version) => {
    const id = `${path}@${String(version).padStart(10, "0")}`;
    const { chunks } = replica.row(`version/${id}`) as VersionRecord;
    return Number.parseInt(chunks[0]?.hash ?? "", 16);
  });
}

test("all readable versions move, and their references stay as they are (N1, C2)", (t) => {
  const replica = cluster(1);
  for (const n of [7, 8, 9]) put(replica, "a", n);
  const before = replica.row("version/a@0000000003") as VersionRecord;
  const file = fileRow(replica, "a");
  t.deepEqual(replica.must(move(["a", "b/c"])).outcome, {
    kind: "ok",
    value: { kind: "files", runs: [3, 1, 1] },
  });
  t.deepEqual(contents(replica, "b/c"), [7, 8, 9]);
  t.deepEqual(replica.row("version/b/c@0000000003"), { ...before, path: "b/c" });
  t.like(fileRow(replica, "b/c"), { bytes: file.bytes, modifiedAt: file.modifiedAt });
  t.like(fileRow(replica, "a"), { versions: [], bytes: 0, last: 3 as never });
  t.is([...replica.table("removed")].length, 0);
  for (const n of [7, 8, 9]) t.is((replica.row(`chunk/${hashOf(n)}`) as ChunkRecord).references, 1);
  checkInvariants(replica);
});

test("no number is given twice, neither where files went nor where they were (N2, C3)", (t) => {
  const replica = cluster(1);
  for (const n of [7, 8]) put(replica, "a", n);
  for (const n of [9, 10, 11]) put(replica, "b", n);
  replica.must({ kind: "remove-file", path: "b" });
  replica.must(move(["a", "b"]));
  t.deepEqual(fileRow(replica, "b").versions, [4, 5] as never);
  t.is(Number(fileRow(replica, "b").last), 5);
  put(replica, "a", 12);
  t.deepEqual(fileRow(replica, "a").versions, [3 as never]);
  replica.must(move(["b", "c"]));
  replica.must({ kind: "remove-file", path: "a" });
  replica.must(move(["c", "a"]));
  t.deepEqual(fileRow(replica, "a").versions, [4, 5] as never);
  t.deepEqual(contents(replica, "a"), [7, 8]);
  checkInvariants(replica);
});

test("all moves are of one moment: files may change places, and a folder go into itself (N3)", (t) => {
  const replica = cluster(1);
  put(replica, "d/x", 7);
  put(replica, "d/d/x", 8);
  replica.must(move(["d/x", "d/d/x"], ["d/d/x", "d/x"]));
  t.deepEqual([contents(replica, "d/x"), contents(replica, "d/d/x")], [[8], [7]]);
  replica.must(move(["d/x", "d/d/x"], ["d/d/x", "d/d/d/x"]));
  t.deepEqual([contents(replica, "d/d/x"), contents(replica, "d/d/d/x")], [[8], [7]]);
  t.deepEqual(fileRow(replica, "d/x").versions, []);
  checkInvariants(replica);
});

test("a move that cannot be is refused as a whole, and leaves no trace", (t) => {
  const replica = cluster(1);
  for (const [i, path] of ["a", "b", "c"].entries()) put(replica, path, 7 + i);
  const wrong = {
    NOT_FOUND: [
      [["a", "x"] as const, ["none", "y"] as const],
      [["a", "x"] as const, ["a", "y"] as const],
    ],
    CONFLICT: [
      [["a", "x"] as const, ["b", "c"] as const],
      [["a", "x"] as const, ["b", "x"] as const],
    ],
    INVALID: [
      [["a", "x"] as const, ["b", "b"] as const],
      [["a", "x"] as const, ["b", "../b"] as const],
      [["a", "x"] as const, ["b", "y".repeat(1_025)] as const],
      [],
    ],
  };
  for (const [code, lists] of Object.entries(wrong))
    for (const pairs of lists) {
      const { outcome, mutations } = replica.apply(move(...pairs));
      t.is(codeOf(outcome), code, JSON.stringify(pairs));
      t.deepEqual(
        mutations.map(({ key }) => key),
        ["meta/logTime"],
      );
    }
});

test("a removed file is no source, and its path may be a destination", (t) => {
  const replica = cluster(1);
  put(replica, "a", 7);
  put(replica, "b", 8);
  replica.must({ kind: "remove-file", path: "b" });
  t.is(codeOf(replica.apply(move(["b", "c"])).outcome), "NOT_FOUND");
  t.is(codeOf(replica.apply(move(["a", "b"])).outcome), "ok");
});

test("a move has at most 1,000 files, and 10,000 versions", (t) => {
  const replica = cluster(1);
  replica.must({ kind: "set-setting", name: "sdfs-versions", value: "11" });
  const paths = Array.from({ length: moveLimits.files + 1 }, (_, n) => `f/${n}`);
  const pairs = paths.map((path) => [path, `g/${path}`] as const);
  for (let n = 0; n < 11; n += 1)
    replica.must({
      kind: "commit-files",
      files: paths.slice(1).flatMap((path) => upload(path, [chunk(7, [1])]).files),
    });
  put(replica, "f/0", 7);
  const many = replica.apply(move(...pairs)).outcome;
  t.like(many, { code: "TOO_LARGE", details: { size: 1_001, limit: 1_000, unit: "files" } });
  const versions = replica.apply(move(...pairs.slice(1))).outcome;
  t.like(versions, { code: "TOO_LARGE", details: { limit: 10_000, unit: "versions" } });
  t.is(codeOf(replica.apply(move(...pairs.slice(0, 900))).outcome), "ok");
  checkInvariants(replica, { versionsKept: 11 });
});

test("repeated under its key a move happens once, whatever became of the files meanwhile", (t) => {
  const replica = cluster(1);
  put(replica, "a", 7);
  const key = `${replica.at}-00000000000000aa`;
  const first = replica.apply(move(["a", "b"]), key).outcome;
  put(replica, "a", 8);
  t.deepEqual(replica.apply(move(["a", "b"]), key).outcome, first);
  t.deepEqual(contents(replica, "a"), [8]);
  t.is(codeOf(replica.apply(move(["a", "c"]), key).outcome), "KEY_REUSED");
});

const path = fc.constantFrom("a", "b", "c", "d", "e");
const someMoves = fc.array(fc.record({ from: path, to: path }), { minLength: 1, maxLength: 4 });

/** What moves do to a store of names and contents: all at once, or nothing. */
function moved(files: ReadonlyMap<string, number>, moves: readonly FileMove[]) {
  const after = new Map(files);
  for (const { from, to } of moves) if (from === to || !after.delete(from)) return undefined;
  for (const { from, to } of moves) {
    if (after.has(to)) return undefined;
    after.set(to, files.get(from) ?? 0);
  }
  return after;
}

test("moves do what they would do to a map of names, or nothing", (t) => {
  holds(
    t,
    fc.property(fc.array(path), fc.array(someMoves, { maxLength: 6 }), (puts, lists) => {
      const replica = cluster(1);
      let files = new Map<string, number>();
      for (const [i, name] of puts.entries()) {
        put(replica, name, 10 + i);
        files.set(name, 10 + i);
      }
      for (const moves of lists) {
        const wanted = moved(files, moves);
        const { outcome } = replica.apply({ kind: "move-files", moves });
        t.is(outcome.kind === "ok", wanted !== undefined, JSON.stringify(moves));
        files = wanted ?? files;
        for (const [name, n] of files) t.is(contents(replica, name).at(-1), n, name);
        checkInvariants(replica);
      }
      for (const [, row] of replica.table("file")) {
        const { path: name, versions } = row as FileRecord;
        if (/^[a-e]$/.test(name)) t.is(versions.length > 0, files.has(name), name);
      }
    }),
    60,
  );
});

test("a move of too many chunks is refused, and nothing moves", (t) => {
  const replica = cluster(1);
  const chunks = Array.from({ length: 16_000 }, () => chunk(7, [1]));
  const paths = Array.from({ length: 7 }, (_, n) => `f${n}`);
  for (const path of paths) replica.must(upload(path, chunks));
  const { outcome } = replica.apply(move(...paths.map((path) => [path, `to/${path}`] as const)));
  t.is(codeOf(outcome), "TOO_LARGE");
  t.like(outcome, { details: { unit: "chunks", limit: moveLimits.chunks } });
  t.is(fileRow(replica, "f0").versions.length, 1);
});
