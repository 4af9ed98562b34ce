/** Moving files over HTTP: all or none, once for each key, and what is wrong said in our words. */
import test from "ava";
import type { FileView, MovedView } from "../../../src/lib/api/files.ts";
import { HttpNode } from "./http-node.ts";

test("a move answers with what the files are called now, and nothing of their content changes", async (t) => {
  await using node = await HttpNode.start();
  await node.put("a/x", "one");
  await node.put("a/x", "two");
  await node.put("a/y", "three");
  const moves = [
    { from: "a/x", to: "b/x" },
    { from: "a/y", to: "a/x" },
  ];
  t.deepEqual(await node.json<MovedView>("POST", "/v1/moves", { moves }), {
    files: [
      { from: "a/x", path: "b/x", version: 2 },
      { from: "a/y", path: "a/x", version: 3 },
    ],
  });
  t.is((await node.ask("GET", "/v1/files/b/x?version=1")).body, "one");
  t.is((await node.ask("GET", "/v1/files/a/x")).body, "three");
  t.is((await node.ask("GET", "/v1/stat/a/y")).status, 404);
  t.is((await node.json<FileView[]>("GET", "/v1/versions/b/x")).length, 2);
});

test("a move is refused as a whole, with the status of its reason", async (t) => {
  await using node = await HttpNode.start();
  await node.put("a", "one");
  await node.put("b", "two");
  const status = async (moves: unknown): Promise<number> =>
    (await node.ask("POST", "/v1/moves", { body: { moves } })).status;
  t.is(
    await status([
      { from: "a", to: "c" },
      { from: "none", to: "d" },
    ]),
    404,
  );
  t.is(await status([{ from: "a", to: "b" }]), 409);
  t.is(await status([{ from: "a", to: "c/../d" }]), 422);
  t.is(await status([{ from: "a", to: "c", force: true }]), 400);
  t.is(await status(Array.from({ length: 1_001 }, (_, n) => ({ from: "a", to: `c${n}` }))), 413);
  t.is((await node.ask("GET", "/v1/files/a")).body, "one");
});

test("a move repeated under its key gives its first answer", async (t) => {
  await using node = await HttpNode.start();
  await node.put("a", "one");
  const { key } = await node.json<{ readonly key: string }>("POST", "/v1/keys");
  const body = { moves: [{ from: "a", to: "b" }] };
  const first = await node.ask("POST", "/v1/moves", { body, key });
  t.is(first.status, 200);
  t.deepEqual(await node.ask("POST", "/v1/moves", { body, key }), first);
});
