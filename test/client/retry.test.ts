/** What the client does when nodes die, refuse or say nothing. */
import test from "ava";
import { IDunnoClient } from "../../src/client/client.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { FakeCluster, sampleJob, sampleMember } from "./fake-cluster.ts";
import { deadAddress, FakeNode, refusal } from "./fake-node.ts";

const noLeader = refusal(503, "NO_LEADER", { waitedMs: 1 });
const submission = { model: "m", inputs: ["images/"] };

/** Short where the time-out is meant to pass, long where it is not. */
const shortMs = 300;
/** Short, but enough for a node to answer at least once on a busy machine. */
const answeredMs = 1_000;
const longMs = 30_000;

test("a mutation whose answer was lost is repeated under the same key and happens once", async (t) => {
  const cluster = new FakeCluster();
  await using first = await FakeNode.start(cluster);
  await using second = await FakeNode.start(cluster);
  first.faults.push({ kind: "drop-after" });
  const client = new IDunnoClient({ nodes: [first.address, second.address], timeoutMs: longMs });
  const job = await client.submitJob(submission);
  t.is(job.id, "j1");
  t.is(cluster.executed, 1);
  t.deepEqual([...first.keys, ...second.keys], ["key-1", "key-1"]);
  t.is(client.current, second.address);
});

test("every mutation has a key of its own", async (t) => {
  await using node = await FakeNode.start();
  const client = new IDunnoClient({ nodes: [node.address] });
  await client.submitJob(submission);
  await client.submitJob(submission);
  t.deepEqual(node.keys, ["key-1", "key-2"]);
  t.is(node.cluster.executed, 2);
});

test("a mutation can be gone on with under a key from elsewhere", async (t) => {
  await using node = await FakeNode.start();
  const client = new IDunnoClient({ nodes: [node.address] });
  const idempotencyKey = await client.newKey();
  await client.submitJob(submission, { idempotencyKey });
  await client.submitJob(submission, { idempotencyKey });
  t.is(node.cluster.executed, 1);
});

test("a node without a leader is left for one that has one", async (t) => {
  const cluster = new FakeCluster();
  await using first = await FakeNode.start(cluster);
  await using second = await FakeNode.start(cluster);
  first.faults.push(noLeader);
  const client = new IDunnoClient({ nodes: [first.address, second.address], timeoutMs: longMs });
  t.deepEqual(await client.jobs(), []);
  t.deepEqual(second.asked, ["GET /v1/jobs"]);
});

test("the only node is asked again until it answers", async (t) => {
  await using node = await FakeNode.start();
  const bare = { kind: "answer", status: 503, body: "starting" } as const;
  node.faults.push(noLeader, bare, { kind: "drop" }, refusal(503, "CLOSED", { what: "a" }));
  t.deepEqual(await new IDunnoClient({ nodes: [node.address], timeoutMs: longMs }).jobs(), []);
  t.is(node.asked.length, 5);
});

test("a dead node is passed over, and the client stays with the one that answers", async (t) => {
  await using node = await FakeNode.start();
  const client = new IDunnoClient({ nodes: [await deadAddress(), node.address] });
  await client.jobs();
  t.is(client.current, node.address);
});

test("of many requests that fail together only one moves the client on", async (t) => {
  const cluster = new FakeCluster();
  await using first = await FakeNode.start(cluster);
  await using second = await FakeNode.start(cluster);
  first.faults.push(noLeader, noLeader);
  const client = new IDunnoClient({ nodes: [first.address, second.address], timeoutMs: longMs });
  await Promise.all([client.jobs(), client.jobs()]);
  t.is(client.current, second.address);
  t.is(second.asked.length, 2);
});

test("a silent node is left before the time is over", async (t) => {
  const cluster = new FakeCluster();
  await using first = await FakeNode.start(cluster);
  await using second = await FakeNode.start(cluster);
  first.faults.push({ kind: "silent" });
  const client = new IDunnoClient({ nodes: [first.address, second.address], timeoutMs: 3_000 });
  t.deepEqual(await client.jobs(), []);
  t.is(client.current, second.address);
});

test.serial("UNREACHABLE names the nodes when nobody answered at all", async (t) => {
  const nodes = [await deadAddress(), await deadAddress()];
  const error = await t.throwsAsync(new IDunnoClient({ nodes, timeoutMs: shortMs }).jobs());
  t.true(hasCode(error, "UNREACHABLE"));
  t.deepEqual(hasCode(error, "UNREACHABLE") && error.details.nodes, nodes);
});

test("where nobody is there, patience ends before the time-out", async (t) => {
  const nodes = [await deadAddress()];
  const client = new IDunnoClient({ nodes, timeoutMs: 10 * 60_000, patienceMs: 0 });
  t.true(hasCode(await t.throwsAsync(client.jobs()), "UNREACHABLE"));
});

test.serial("NO_LEADER when that was the answer until the time was over", async (t) => {
  await using node = await FakeNode.start();
  node.faults.push(...Array.from({ length: 100 }, () => noLeader));
  const client = new IDunnoClient({
    nodes: [node.address, await deadAddress()],
    timeoutMs: answeredMs,
  });
  t.true(hasCode(await t.throwsAsync(client.jobs()), "NO_LEADER"));
});

test.serial(
  "TIMED_OUT when a node said nothing to a mutation, since it may still happen",
  async (t) => {
    await using node = await FakeNode.start();
    node.faults.push({ kind: "silent" });
    const client = new IDunnoClient({ nodes: [node.address], timeoutMs: shortMs });
    const error = await t.throwsAsync(client.submitJob(submission, { idempotencyKey: "k" }));
    t.true(hasCode(error, "TIMED_OUT"));
    t.regex(error?.message ?? "", /POST \/v1\/jobs/);
  },
);

test.serial(
  "TIMED_OUT when a node said nothing to a question, since it may only be slow",
  async (t) => {
    await using node = await FakeNode.start();
    node.faults.push(...Array.from({ length: 100 }, () => ({ kind: "silent" }) as const));
    const nodes = [node.address, await deadAddress()];
    const error = await t.throwsAsync(new IDunnoClient({ nodes, timeoutMs: shortMs }).jobs());
    t.true(hasCode(error, "TIMED_OUT"), error?.message);
    t.regex(error?.message ?? "", /GET \/v1\/jobs .*--timeout/);
  },
);

test.serial("a mutation that was sent and never answered is not called unreachable", async (t) => {
  await using node = await FakeNode.start();
  node.faults.push(...Array.from({ length: 100 }, () => ({ kind: "drop" }) as const));
  const client = new IDunnoClient({ nodes: [node.address], timeoutMs: shortMs });
  t.true(
    hasCode(
      await t.throwsAsync(client.submitJob(submission, { idempotencyKey: "k" })),
      "TIMED_OUT",
    ),
  );
});

test.serial("a full queue is reported as such when it stays full", async (t) => {
  await using node = await FakeNode.start();
  const busy = refusal(503, "BUSY", { what: "the proposal queue", limit: 64 });
  node.faults.push(...Array.from({ length: 100 }, () => busy));
  const client = new IDunnoClient({ nodes: [node.address], timeoutMs: answeredMs });
  t.true(hasCode(await t.throwsAsync(client.jobs()), "BUSY"));
});

test("an error that another node would repeat is thrown at once, with what it carries", async (t) => {
  const cluster = new FakeCluster();
  await using first = await FakeNode.start(cluster);
  await using second = await FakeNode.start(cluster);
  const client = new IDunnoClient({ nodes: [first.address, second.address] });
  const error = await t.throwsAsync(client.job("j9"));
  t.true(hasCode(error, "NOT_FOUND") && error.details.name === "j9");
  t.is(second.asked.length, 0);
});

test("a server of something else is MALFORMED, whatever it answers", async (t) => {
  await using node = await FakeNode.start();
  const client = new IDunnoClient({ nodes: [node.address] });
  for (const [status, body] of [
    [200, "<html>"],
    [200, '{"hello": 1}'],
    [404, "no such page"],
  ] as const) {
    node.faults.push({ kind: "answer", status, body });
    t.true(hasCode(await t.throwsAsync(client.jobs()), "MALFORMED"), body);
  }
});

test("members become fall-backs, those that are down excepted", async (t) => {
  const cluster = new FakeCluster();
  await using second = await FakeNode.start(cluster);
  const first = await FakeNode.start(cluster);
  const down = { ...sampleMember("n3", "127.0.0.1:9"), state: "down" as const };
  cluster.members = [sampleMember("n1", first.address), sampleMember("n2", second.address), down];
  const client = new IDunnoClient({ nodes: [first.address], timeoutMs: longMs });
  await client.status();
  t.deepEqual(client.nodes, [first.address, second.address]);
  await first[Symbol.asyncDispose]();
  t.deepEqual(await client.jobs(), []);
  t.deepEqual(client.pinned().nodes, [second.address]);
});

test("the caller's signal ends the tries with its reason", async (t) => {
  await using node = await FakeNode.start();
  node.faults.push({ kind: "silent" });
  const stop = new AbortController();
  const client = new IDunnoClient({ nodes: [node.address], timeoutMs: longMs });
  const asked = client.jobs({ signal: stop.signal });
  stop.abort(new Error("enough"));
  await t.throwsAsync(asked, { message: "enough" });
});

test("stale goes along with reads, and with nothing else", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.jobs.set("j1", sampleJob);
  const client = new IDunnoClient({ nodes: [node.address], stale: true });
  await client.job("j1");
  await client.setJob("j1", { weight: 2 });
  t.deepEqual(node.asked, ["GET /v1/jobs/j1?stale=true", "POST /v1/keys", "PATCH /v1/jobs/j1"]);
});

test("names that a URL would fold away are refused before anything is asked", async (t) => {
  await using node = await FakeNode.start();
  const client = new IDunnoClient({ nodes: [node.address] });
  for (const path of ["a/../b", "./a", "a//b", "", "\uD800"])
    t.true(hasCode(await t.throwsAsync(client.removeFile(path)), "INVALID"), path);
  t.deepEqual(node.asked, []);
});
