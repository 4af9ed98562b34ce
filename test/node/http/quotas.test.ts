/** Quotas over HTTP, and what a put meets that exceeds one. */
import test from "ava";
import type { QuotaView } from "../../../src/lib/api/files.ts";
import { HttpNode } from "./http-node.ts";

test("a quota is set, listed with what lies there once that is known, and taken back", async (t) => {
  await using node = await HttpNode.start();
  await node.put("a/x", "12345");
  const at = (prefix: string): string => `/v1/quotas?prefix=${encodeURIComponent(prefix)}`;
  const set = await node.json<QuotaView>("PUT", at("a/"), { bytes: 10, files: 2 });
  t.deepEqual(set, { prefix: "a/", bytesLimit: 10, filesLimit: 2 });
  const [quota] = [...node.replica.machine.quotas.values()];
  const { prefix = "", made = 0 } = quota ?? {};
  node.replica.must({ kind: "count-quota", prefix, made, bytes: 5, files: 1 });
  await node.json<QuotaView>("PUT", at(""), { files: 100 });
  t.deepEqual(await node.json<QuotaView[]>("GET", "/v1/quotas"), [
    { prefix: "", filesLimit: 100 },
    { prefix: "a/", bytesLimit: 10, filesLimit: 2, bytes: 5, files: 1 },
  ]);
  const { status, body } = await node.put("a/y", "123456");
  t.is(status, 507);
  t.regex(body, /"code":"QUOTA_EXCEEDED"/);
  t.regex(body, /a\/ would have 11 bytes; its quota is 10/);
  t.is(node.chunks.size, 1, "its bytes were not read");
  t.is((await node.put("a/y", "12345")).status, 200);
  t.is((await node.put("a/y", "54321")).status, 200, "it adds nothing");
  t.deepEqual(await node.json("DELETE", at("a/")), { prefix: "a/" });
  t.is((await node.put("a/z", "12345")).status, 200);
  t.is((await node.ask("DELETE", at("a/"))).status, 404);
});

test("a quota that limits nothing, is for no folder, or says what it does not know is refused", async (t) => {
  await using node = await HttpNode.start();
  const put = async (prefix: string, body: unknown): Promise<number> =>
    (await node.ask("PUT", `/v1/quotas?prefix=${prefix}`, { body })).status;
  t.is(await put("a%2F", {}), 422);
  t.is(await put("a", { files: 1 }), 422);
  t.is(await put("a%2F", { files: -1 }), 400);
  t.is(await put("a%2F", { copies: 1 }), 400);
  t.is((await node.ask("PUT", "/v1/quotas", { body: { files: 1 } })).status, 400);
  t.is(node.replica.machine.quotas.size, 0);
});
