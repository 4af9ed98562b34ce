/** Bulk puts against real daemons: all of a group or nothing, one version each however often it is sent, and going on. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { BulkFile } from "../../src/client/bulk.ts";
import { cluster, clientOf, download, idunno, putText, until } from "./support.ts";

function bulk(path: string, text: string, ifVersion?: number): BulkFile {
  const content = Buffer.from(text);
  return { path, bytes: content.length, ifVersion, read: async () => content };
}

test("a group is visible as a whole or not at all, and once", async (t) => {
  t.timeout(120_000);
  const up = await cluster(t, 3);
  const client = clientOf(up.endpoints);
  const files = Array.from({ length: 200 }, (_, i) => bulk(`g/${i}`, i === 7 ? "" : `file ${i}`));
  const key = await client.newKey();
  const views = await client.putFiles(files, { idempotencyKey: key });
  t.deepEqual(
    views.map(({ path, version, copies }) => [path, version, copies]),
    files.map(({ path }) => [path, 1, 3]),
  );
  t.is(await download(client, "g/7"), "");
  t.is(await download(client, "g/199"), "file 199");

  // Through another node, as a client does that lost the answer.
  const [, other = ""] = up.endpoints;
  const again = await clientOf([other]).putFiles(files, { idempotencyKey: key });
  t.true(again.every(({ version }) => version === 1));
  const changed = [bulk("g/0", "other"), ...files.slice(1)];
  await t.throwsAsync(client.putFiles(changed, { idempotencyKey: key }), { code: "KEY_REUSED" });

  await putText(client, "g/5", "newer");
  const mixed = [bulk("h/1", "x"), bulk("g/5", "mine", 1), bulk("h/2", "x")];
  await t.throwsAsync(client.putFiles(mixed), { code: "CONFLICT", message: /g\/5/ });
  await t.throwsAsync(client.putFiles([bulk("h/3", "x"), bulk("h//4", "x")]), { code: "INVALID" });
  t.deepEqual((await client.list({ prefix: "h/" })).files, []);
  await client.putFiles([bulk("h/1", "x"), bulk("g/5", "mine", 2), bulk("h/2", "x", 0)]);
  t.is(await download(client, "g/5"), "mine");

  const paths = ["g/5", "nowhere", "g/7"];
  t.deepEqual(
    (await client.statMany(paths)).map(({ path, version }) => [path, version]),
    [
      ["g/5", 3],
      ["g/7", 1],
    ],
  );
});

test("a connection that breaks within a group leaves nothing visible", async (t) => {
  t.timeout(120_000);
  const up = await cluster(t, 3);
  const [address = ""] = up.endpoints;
  const client = clientOf(up.endpoints);
  const [host, port] = address.split(":");
  const asked = request({ host, port, path: "/v1/files", method: "POST" });
  const closed = new Promise((resolve) => asked.once("close", resolve));
  asked.on("error", () => undefined); // that it breaks is the point
  for (let i = 0; i < 100; i += 1) asked.write(`{"path":"cut/${i}","bytes":5}\nhello`);
  asked.write('{"path":"cut/last","bytes":5}\nhe');
  await new Promise((resolve) => setImmediate(resolve));
  asked.destroy();
  await closed;
  await client.putFiles([bulk("whole", "x")]);
  t.deepEqual((await client.list({ prefix: "cut/" })).files, []);
});

test("put -r goes on after its node was killed, and skips what is there", async (t) => {
  t.timeout(180_000);
  const up = await cluster(t, 5);
  const folder = await mkdtemp(join(tmpdir(), "idunno-bulk-"));
  t.teardown(async () => rm(folder, { recursive: true }));
  await mkdir(join(folder, "in"));
  const names = Array.from({ length: 900 }, (_, i) => `${String(i).padStart(3, "0")}`);
  for (const name of names) await writeFile(join(folder, "in", name), name.repeat(2_000));
  const client = clientOf(up.endpoints);
  const put = async (...nodes: string[]): ReturnType<typeof idunno> =>
    idunno(["sdfs", "put", "-r", join(folder, "in"), "out", "-o", "csv"], nodes.join(","));
  const { leader } = await client.status();
  const gateway = up.nodes.find(({ name }) => name !== leader);
  const first = put(gateway?.httpAddress ?? "");
  await until(
    "the first group",
    async () => (await client.list({ prefix: "out/" })).files.length > 0,
  );
  await up.kill(gateway?.name ?? "");
  // The client knows the others by then, so it may come through; if not, it is given again.
  if ((await first).code !== 0) t.is((await put(...up.endpoints)).code, 0);
  const { code, out, err } = await put(...up.endpoints);
  t.is(code, 0, err);
  t.regex(err, /0 of 900 files were put, 900 unchanged/);
  const lines = out.trimEnd().split("\n").slice(1);
  t.deepEqual(
    lines,
    names.map((name) => `out/${name},1,6000,${lines[0]?.split(",")[3] ?? ""},unchanged`),
  );
  t.is(await download(clientOf(up.endpoints), "out/899"), "899".repeat(2_000));
  t.is((await readFile(join(folder, "in", "899"))).length, 6_000);
});
