/** How the store is, and removed files that come back, over HTTP. */
import test from "ava";
import type { FileView, FsckFilesView, FsckView } from "../../../src/lib/api/files.ts";
import { chunk, cluster, nodeName, upload } from "../../machine/fixtures.ts";
import { HttpNode } from "./http-node.ts";

const all = [1, 2, 3, 4];

test("fsck counts chunks by how they are, and names the versions that cannot be read", async (t) => {
  const replica = cluster(5);
  await using node = await HttpNode.start(replica);
  replica.must(upload("x", [chunk(10, all), chunk(11, [1, 2, 3, 4, 5])]));
  const before = await node.json<FsckView>("GET", "/v1/fsck");
  t.like(before, { nodes: 5, lacking: 0, unavailable: 0, lost: 0, excess: 3 });
  t.is(before.whole, before.chunks);
  for (const n of [2, 3, 4, 5])
    replica.must({ kind: "mark-member", node: nodeName(n), boot: `boot${n}`, state: "down" });
  const one = await node.json<FsckView>("GET", "/v1/fsck");
  t.is(one.whole, one.chunks, "one node is left, and has a copy of each");
  t.is(one.nodes, 1);
  replica.must({ kind: "lose-chunks", store: "store1" as never, chunks: [chunk(10, []).hash] });
  t.like(await node.json("GET", "/v1/fsck"), { unavailable: 1, lost: 0 });
  t.deepEqual(await node.json<FsckFilesView>("GET", "/v1/fsck/files"), {
    files: [{ path: "x", version: 1, lost: 0, unavailable: 1 }],
  });
  for (const n of [2, 3, 4])
    replica.must({
      kind: "lose-chunks",
      store: `store${n}` as never,
      chunks: [chunk(10, []).hash],
    });
  t.like(await node.json("GET", "/v1/fsck"), { unavailable: 0, lost: 1 });
  t.deepEqual(await node.json<FsckFilesView>("GET", "/v1/fsck/files"), {
    files: [{ path: "x", version: 1, lost: 1, unavailable: 0 }],
  });
  t.deepEqual(await node.json("GET", "/v1/fsck/files?after=x"), {
    files: [{ path: "x", version: 1, lost: 1, unavailable: 0 }],
  });
});

test("a removed file can be restored, a purged one cannot", async (t) => {
  await using node = await HttpNode.start();
  await node.put("d/a", "one");
  await node.put("d/a", "two");
  t.is((await node.ask("DELETE", "/v1/files/d/a")).status, 200);
  t.is((await node.ask("GET", "/v1/stat/d/a")).status, 404);
  t.like(await node.json<FileView>("POST", "/v1/restore/d/a"), { path: "d/a", version: 2 });
  t.is((await node.json<FileView[]>("GET", "/v1/versions/d/a")).length, 2);
  t.is((await node.ask("POST", "/v1/restore/d/a")).status, 409);
  t.is((await node.ask("DELETE", "/v1/files/d/a?purge=true")).status, 200);
  t.is((await node.ask("POST", "/v1/restore/d/a")).status, 404);
});
