/** Sums by folder from pages that cut folders anywhere. */
import test from "ava";
import fc from "fast-check";
import { nested } from "../../src/client/usage.ts";
import type { FolderUsage } from "../../src/lib/api/files.ts";
import { usagePage } from "../../src/node/usage.ts";
import { runs } from "../lib/property.ts";
import { chunk, cluster, upload } from "../machine/fixtures.ts";
import { stateOf } from "../node/http/http-node.ts";

async function collect(rows: AsyncIterable<FolderUsage>): Promise<FolderUsage[]> {
  const all: FolderUsage[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

async function* each(parts: readonly FolderUsage[]): AsyncGenerator<FolderUsage> {
  yield* parts;
}

const name = fc.constantFrom("a", "b", "b0", "c");
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
const paths = fc.uniqueArray(path, { maxLength: 20 });

/** What `du` says of paths of one byte each, by looking at every folder. */
function expected(all: readonly string[], depth: number): FolderUsage[] {
  const folders = new Set([""]);
  for (const each of all) {
    const names = each.split("/").slice(0, -1).slice(0, depth);
    for (const [i] of names.entries()) folders.add(`${names.slice(0, i + 1).join("/")}/`);
  }
  return [...folders].map((folder) => {
    const files = all.filter((each) => each.startsWith(folder)).length;
    return { path: folder, files, bytes: files, keptBytes: 2 * files };
  });
}

test("every folder is told once, with all in it, after the folders in it", async (t) => {
  await fc.assert(
    fc.asyncProperty(paths, fc.nat(4), async (all, depth) => {
      const parts = all.toSorted().map((each) => {
        const below = each.split("/").slice(0, -1).slice(0, depth);
        const folder = below.map((part) => `${part}/`).join("");
        return { path: folder, files: 1, bytes: 1, keptBytes: 2 };
      });
      const told = await collect(nested(each(parts), ""));
      const byPath = (rows: readonly FolderUsage[]) =>
        rows.toSorted((a, b) => (a.path < b.path ? -1 : 1));
      t.deepEqual(byPath(told), byPath(expected(all, depth)));
      for (const [i, { path: folder }] of told.entries())
        for (const later of told.slice(i + 1))
          t.false(later.path.startsWith(folder) && folder !== "");
      t.is(told.at(-1)?.path, "");
    }),
    { numRuns: runs(100) },
  );
});

test("a page adds up the newest versions and all that are kept, without what was removed", async (t) => {
  const replica = cluster(1);
  const put = (at: string, bytes: number, n: number) =>
    replica.must(upload(at, [chunk(n, [1], 0, bytes)]));
  for (let n = 0; n < 7; n += 1) put("d/x", 100 + n, 30 + n);
  put("d/e/y", 10, 40);
  put("d/z", 1, 41);
  put("other", 1_000, 42);
  replica.must({ kind: "remove-file", path: "d/z" });
  const usage = async (prefix: string, depth: number) =>
    (await usagePage(stateOf(replica), { prefix, after: "", depth })).folders;
  const kept = 102 + 103 + 104 + 105 + 106;
  t.deepEqual(await usage("d/", 0), [{ path: "d/", files: 2, bytes: 116, keptBytes: kept + 10 }]);
  t.deepEqual(await usage("d/", 1), [
    { path: "d/e/", files: 1, bytes: 10, keptBytes: 10 },
    { path: "d/", files: 1, bytes: 106, keptBytes: kept },
  ]);
  t.deepEqual(await usage("none/", 0), []);
});

test("rows of before kept bytes were counted are read with their versions", async (t) => {
  const replica = cluster(1);
  for (let n = 0; n < 3; n += 1) replica.must(upload("x", [chunk(7 + n, [1], 0, 10 + n)]));
  const row = { ...(replica.row("file/x") as object) };
  delete (row as { keptBytes?: number }).keptBytes;
  replica.put("file/x", row);
  const usage = async () =>
    (await usagePage(stateOf(replica), { prefix: "x", after: "", depth: 0 })).folders;
  t.deepEqual(await usage(), [{ path: "x", files: 1, bytes: 12, keptBytes: 33 }]);
  replica.must(upload("x", [chunk(20, [1], 0, 5)]));
  t.is((replica.row("file/x") as { keptBytes?: number }).keptBytes, 38);
  replica.put("file/x", { ...(replica.row("file/x") as object), keptBytes: undefined });
  replica.must({ kind: "move-files", moves: [{ from: "x", to: "y" }] });
  t.is((replica.row("file/y") as { keptBytes?: number }).keptBytes, 38);
});

test("pages go on where the one before ended, past what was removed, and see each file once", async (t) => {
  const replica = cluster(1);
  const count = 10_001;
  for (let from = 0; from < count; from += 1_000) {
    const files = Array.from({ length: Math.min(1_000, count - from) }, (_, i) => ({
      path: `d/${String(from + i).padStart(6, "0")}/f`,
      bytes: 0,
      chunks: [],
      ifVersion: undefined,
    }));
    replica.must({ kind: "commit-files", files });
  }
  replica.must({ kind: "remove-file", path: "d/000000/f" });
  const first = await usagePage(stateOf(replica), { prefix: "d/", after: "", depth: 0 });
  t.like(first, { folders: [{ files: 9_999 }], next: "d/009999/f" });
  const after = first.next ?? "";
  const second = await usagePage(stateOf(replica), { prefix: "d/", after, depth: 0 });
  t.deepEqual(second, { folders: [{ path: "d/", files: 1, bytes: 0, keptBytes: 0 }] });
});
