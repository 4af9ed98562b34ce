/** File bodies and results: what is repeated, what is gone on with, and what cannot be. */
import test from "ava";
import { IDunnoClient } from "../../src/client/client.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { FakeCluster, sampleJob } from "./fake-cluster.ts";
import { deadAddress, FakeNode } from "./fake-node.ts";

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const piece of body) all.push(piece);
  return Buffer.concat(all).toString();
}

async function pair(): Promise<[FakeNode, FakeNode, IDunnoClient]> {
  const cluster = new FakeCluster();
  const [first, second] = [await FakeNode.start(cluster), await FakeNode.start(cluster)];
  const nodes = [first.address, second.address];
  return [first, second, new IDunnoClient({ nodes, timeoutMs: 30_000 })];
}

test("a put is repeated from a source opened anew, and makes one version", async (t) => {
  const [first, second, client] = await pair();
  await using _first = first;
  await using _second = second;
  first.faults.push({ kind: "drop-after" });
  let opened = 0;
  const open = (): AsyncIterable<Uint8Array> => {
    opened += 1;
    return pieces("hello ", "world");
  };
  const view = await client.putFile("a b/ü.txt", { kind: "reopen", open });
  t.is(view.version, 1);
  t.is(opened, 2);
  t.is(first.cluster.executed, 1);
  t.is(first.cluster.files.get("a b/ü.txt")?.[0]?.content.toString(), "hello world");
});

test("a stream of which bytes were read is not put again", async (t) => {
  const [first, second, client] = await pair();
  await using _first = first;
  await using _second = second;
  first.faults.push({ kind: "drop-after" });
  const error = await t.throwsAsync(
    client.putFile("a", { kind: "once", stream: pieces("hello") }, {}),
  );
  t.true(hasCode(error, "CLOSED"));
  t.regex(error?.message ?? "", /after 5 bytes of a stream that cannot be read again/);
  t.false(second.asked.includes("PUT /v1/files/a"));
});

test("a stream of which nothing was read goes to the next node", async (t) => {
  await using node = await FakeNode.start();
  const nodes = [await deadAddress(), node.address];
  const client = new IDunnoClient({ nodes, timeoutMs: 30_000 });
  // With a key at hand the put is the first request, and meets the dead node.
  await client.putFile("a", { kind: "once", stream: pieces("he", "llo") }, { idempotencyKey: "k" });
  t.is(node.cluster.files.get("a")?.[0]?.content.toString(), "hello");
});

test("a source that fails ends the put with its own error, and no other node is asked", async (t) => {
  const [first, second, client] = await pair();
  await using _first = first;
  await using _second = second;
  const open = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("x");
    throw new Error("the disk is gone");
  };
  await t.throwsAsync(client.putFile("a", { kind: "reopen", open }), {
    message: /the disk is gone/,
  });
  t.is(first.cluster.executed, 0);
  t.false(second.asked.includes("PUT /v1/files/a"));
});

test("a get goes on at another node where the first one stopped, with the same version", async (t) => {
  const [first, second, client] = await pair();
  await using _first = first;
  await using _second = second;
  first.cluster.addFile("a", "0123456789");
  const { file, body } = await client.getFile("a");
  first.cluster.addFile("a", "another version");
  first.faults.push({ kind: "cut", bytes: 4 });
  t.is(await text(body), "0123456789");
  t.is(file.version, 1);
  t.true(second.asked.includes("GET /v1/files/a?version=1"));
});

test("content of another length than the file's is MALFORMED", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.addFile("a", "0123456789");
  const client = new IDunnoClient({ nodes: [node.address] });
  for (const body of ["012", "0123456789x"]) {
    const got = await client.getFile("a");
    node.faults.push({ kind: "answer", status: 200, body });
    t.true(hasCode(await t.throwsAsync(text(got.body)), "MALFORMED"), body);
  }
});

test("results go on line for line when a node dies, none lost and none twice", async (t) => {
  const [first, second, client] = await pair();
  await using _first = first;
  await using _second = second;
  const lines = [1, 2, 3].map((n) => JSON.stringify({ input: `ü${n}`, top: [] }));
  first.cluster.jobs.set("j1", sampleJob);
  first.cluster.results.set("j1", lines);
  // In the middle of the second line, and of its two-byte letter.
  first.faults.push({ kind: "cut", bytes: Buffer.byteLength(`${lines[0] ?? ""}\n`) + 11 });
  const got: string[] = [];
  for await (const line of client.resultLines("j1", { follow: true })) got.push(line);
  t.deepEqual(got, lines);
  t.deepEqual(second.asked, ["GET /v1/jobs/j1/results?follow=true"]);
});

test("a line that is no result is MALFORMED", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.jobs.set("j1", sampleJob);
  node.cluster.results.set("j1", ['{"input":"a"}']);
  const client = new IDunnoClient({ nodes: [node.address] });
  const error = await t.throwsAsync(async () => {
    for await (const result of client.results("j1")) t.fail(JSON.stringify(result));
  });
  t.true(hasCode(error, "MALFORMED"));
});

test("a listing has the rows of all its pages", async (t) => {
  await using node = await FakeNode.start();
  const paths = Array.from({ length: 10 }, (_, i) => `p/${i}`);
  for (const path of paths) node.cluster.addFile(path, "x");
  const client = new IDunnoClient({ nodes: [node.address] });
  const got: string[] = [];
  for await (const { path } of client.listAll("p/")) got.push(path);
  t.deepEqual(got, paths);
});
