/** The compiled program as a process: pipes, signals and exit codes as a shell sees them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import test from "ava";
import { FakeCluster, sampleJob, sampleMember } from "../client/fake-cluster.ts";
import { deadAddress, FakeNode } from "../client/fake-node.ts";

const program = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

function idunno(argv: readonly string[], node = ""): ChildProcess {
  const { IDUNNO_NODE: _, ...env } = process.env;
  return spawn(process.execPath, [program, ...argv], {
    env: { ...env, ...(node === "" ? {} : { IDUNNO_NODE: node }) },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function ended(child: ChildProcess): Promise<Ended> {
  const texts = { out: "", err: "" };
  child.stdout?.on("data", (piece: Buffer) => (texts.out += piece.toString()));
  child.stderr?.on("data", (piece: Buffer) => (texts.err += piece.toString()));
  const [code] = (await once(child, "close")) as [number];
  return { code, ...texts };
}

test.serial(
  "data go to standard output, messages to standard error, and the exit code tells",
  async (t) => {
    await using node = await FakeNode.start();
    node.cluster.jobs.set("j1", sampleJob);
    const listed = await ended(idunno(["job", "ls", "-o", "ndjson"], node.address));
    t.deepEqual([listed.code, listed.err], [0, ""]);
    t.deepEqual(JSON.parse(listed.out), sampleJob);
    const nobody = await ended(idunno(["job", "ls"], await deadAddress()));
    t.deepEqual([nobody.code, nobody.out], [3, ""]);
    t.regex(nobody.err, /^idunno: no node answered at [^\n]+\[UNREACHABLE\]\n$/);
  },
);

test.serial("a reader that goes away ends the program quietly", async (t) => {
  await using node = await FakeNode.start();
  // More than any pipe holds.
  node.cluster.addFile("big", Buffer.alloc(8 * 1024 * 1024, "x"));
  const child = idunno(["sdfs", "cat", "big"], node.address);
  const end = ended(child);
  child.stdout?.once("data", () => child.stdout?.destroy());
  const { code, err } = await end;
  t.deepEqual([code, err], [0, ""]);
});

test.serial("Ctrl-C ends a watch with 130, and without a word", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.jobs.set("j1", sampleJob);
  const child = idunno(["job", "watch", "j1"], node.address);
  const end = ended(child);
  while (node.asked.length === 0) await new Promise(setImmediate);
  child.kill("SIGINT");
  t.deepEqual(await end, { code: 130, out: "", err: "" });
});

test.serial("a watch outlives the node it was given", async (t) => {
  const cluster = new FakeCluster();
  await using other = await FakeNode.start(cluster);
  const node = await FakeNode.start(cluster);
  cluster.jobs.set("j1", sampleJob);
  cluster.members = [sampleMember("n1", node.address), sampleMember("n2", other.address)];
  const end = ended(idunno(["job", "watch", "j1"], node.address));
  while (!node.asked.includes("GET /v1/jobs/j1")) await new Promise(setImmediate);
  await node[Symbol.asyncDispose]();
  cluster.jobs.set("j1", { ...sampleJob, state: "done" });
  const { code, err } = await end;
  t.is(code, 0, err);
  t.true(other.asked.includes("GET /v1/jobs/j1"));
});

test.serial("standard input is put as it comes", async (t) => {
  await using node = await FakeNode.start();
  const child = idunno(["sdfs", "put", "-", "notes", "-o", "json"], node.address);
  const end = ended(child);
  child.stdin?.end("from a pipe");
  const { code, out, err } = await end;
  t.is(code, 0, err);
  t.like(JSON.parse(out), { path: "notes", bytes: 11, copies: 4 });
  t.is(node.cluster.files.get("notes")?.[0]?.content.toString(), "from a pipe");
});
