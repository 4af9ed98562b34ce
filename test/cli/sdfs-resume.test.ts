/** Getting what was interrupted: what is there is checked before it is kept, and nobody's file is taken from him. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Fixture } from "./sdfs-fixture.ts";

const chunk = 4 * 1024 * 1024;
const none = { kind: "none" } as const;
const gone = { kind: "answer", status: 404, body: "" } as const;

/** Three whole chunks and a piece of the fourth. */
function contentOf(seed: number): Buffer {
  const bytes = new Uint8Array(3 * chunk + 1_000);
  return Buffer.from(bytes.map((_, i) => (i * 31 + (i >> 12) + seed) & 0xff).buffer);
}

/**
 * A get that broke off in the middle of the third chunk, and the name of what it left. Not just behind the second one: what
 * the client had received and not yet read when the connection ended is lost, a buffer or two.
 */
async function interrupted(
  t: ExecutionContext,
  fixture: Fixture,
  content: Buffer,
): Promise<string> {
  fixture.node.cluster.addFile("big", content);
  fixture.node.faults.push(none, { kind: "cut", bytes: 2.5 * chunk }, gone);
  t.is((await fixture.sdfs(["get", "big", "copy"])).code, 1);
  const [left = "", ...others] = await readdir(fixture.directory);
  t.deepEqual(others, []);
  t.regex(left, /^\.[0-9a-f]{16}\.0-[0-9a-f]{8}\.idunno$/);
  return left;
}

async function get(t: ExecutionContext, fixture: Fixture, expected: Buffer): Promise<string> {
  const { code, err } = await fixture.sdfs(["get", "big", "copy"]);
  t.is(code, 0, err);
  t.true((await readFile(join(fixture.directory, "copy"))).equals(expected));
  return err;
}

test("a get goes on after the whole chunks that are there, and leaves nothing but the file", async (t) => {
  await using fixture = await Fixture.make();
  const content = contentOf(1);
  await interrupted(t, fixture, content);
  t.regex(await get(t, fixture, content), /of which 8\.\d? ?M/);
  t.deepEqual(await readdir(fixture.directory), ["copy"]);
});

test("bytes that are not the version's are fetched again", async (t) => {
  await using fixture = await Fixture.make();
  const content = contentOf(1);
  const left = join(fixture.directory, await interrupted(t, fixture, content));
  const bytes = await readFile(left);
  bytes[chunk + 7] = (bytes[chunk + 7] ?? 0) ^ 1;
  await writeFile(left, bytes);
  t.regex(await get(t, fixture, content), /of which 4\.\d? ?M/);
});

test("another version starts anew", async (t) => {
  await using fixture = await Fixture.make();
  await interrupted(t, fixture, contentOf(1));
  const newer = contentOf(2).subarray(0, chunk + 5);
  fixture.node.cluster.addFile("big", newer);
  t.notRegex(await get(t, fixture, newer), /of which/);
  t.deepEqual(await readdir(fixture.directory), ["copy"]);
});

test("what is there whole is not asked for again, nor is more of it taken than the version has", async (t) => {
  await using fixture = await Fixture.make();
  const content = contentOf(1);
  const left = join(fixture.directory, await interrupted(t, fixture, content));
  await writeFile(left, Buffer.concat([content, content]));
  fixture.node.asked.length = 0;
  await get(t, fixture, content);
  t.false(fixture.node.asked.some((each) => each.startsWith("GET /v1/files/")));
});

test("what another process is writing stays its own", async (t) => {
  await using fixture = await Fixture.make();
  const content = contentOf(1);
  fixture.node.cluster.addFile("big", content);
  const hash = createHash("sha256").update("copy").digest("hex").slice(0, 16);
  const others = `.${hash}.${process.ppid}-00000000.idunno`;
  await writeFile(join(fixture.directory, others), content);
  t.notRegex(await get(t, fixture, content), /of which/);
  t.deepEqual((await readdir(fixture.directory)).toSorted(), [others, "copy"].toSorted());
});

test("get -r passes over files that are there unchanged", async (t) => {
  await using fixture = await Fixture.make();
  const { cluster } = fixture.node;
  for (const name of ["a", "b", "c"]) cluster.addFile(`q/${name}`, `${name}${name}`);
  t.is((await fixture.sdfs(["get", "-r", "q", "back"])).code, 0);
  await fixture.write("back/b", "xx"); // of the same size
  cluster.addFile("q/c", "newer");
  fixture.node.asked.length = 0;
  const { code, err } = await fixture.sdfs(["get", "-r", "q", "back"]);
  t.is(code, 0, err);
  t.regex(err, /3 files, 1 unchanged/);
  for (const [name, content] of [
    ["a", "aa"],
    ["b", "bb"],
    ["c", "newer"],
  ] as const)
    t.is(await readFile(join(fixture.directory, "back", name), "utf8"), content);
  const fetched = fixture.node.asked.filter((each) => each.startsWith("GET /v1/files/"));
  t.deepEqual(fetched.toSorted(), ["GET /v1/files/q/b?version=1", "GET /v1/files/q/c?version=2"]);
});
