/** How much there is, over HTTP. */
import test from "ava";
import type { UsageView } from "../../../src/lib/api/files.ts";
import { HttpNode } from "./http-node.ts";

test("files and bytes are told by folder, as deep as asked for", async (t) => {
  await using node = await HttpNode.start();
  for (const path of ["d/a/b/1", "d/a/2", "d/c", "d/c"]) await node.put(path, "12345");
  const usage = async (query: string) => node.json<UsageView>("GET", `/v1/usage${query}`);
  t.deepEqual(await usage("?prefix=d%2F"), {
    folders: [{ path: "d/", files: 3, bytes: 15, keptBytes: 20 }],
  });
  t.deepEqual(await usage("?prefix=d%2Fa%2F&depth=1"), {
    folders: [
      { path: "d/a/", files: 1, bytes: 5, keptBytes: 5 },
      { path: "d/a/b/", files: 1, bytes: 5, keptBytes: 5 },
    ],
  });
  t.deepEqual(await usage("?prefix=d%2F&after=d%2Fa%2Fb%2F1&stale=true"), {
    folders: [{ path: "d/", files: 1, bytes: 5, keptBytes: 10 }],
  });
  t.is((await node.ask("GET", "/v1/usage?depth=x")).status, 400);
});
