/** What the commands ask of a node, and what they make of the answers. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { complaints } from "../../src/cli/status.ts";
import type { NodeOptions, RunningNode } from "../../src/cli/node-door.ts";
import type { LogEntryView } from "../../src/lib/api/files.ts";
import { IDunnoError } from "../../src/lib/errors.ts";
import { sampleJob, sampleMember } from "../client/fake-cluster.ts";
import { FakeNode } from "../client/fake-node.ts";
import { smallManifest } from "../lib/manifests.ts";
import { idunno, type Outcome } from "./world.ts";

const at = async (node: FakeNode, ...argv: string[]): Promise<Outcome> =>
  idunno(argv, { env: { IDUNNO_NODE: node.address } });

test("status --check is 6 when a member is down, there is no leader or the node is not ready", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.members = [sampleMember("n1", node.address)];
  t.is((await at(node, "status", "--check")).code, 0);
  node.cluster.status = { ready: false };
  t.is((await at(node, "status", "--check")).code, 6);
  t.is((await at(node, "status")).code, 0);
  node.cluster.status = {
    members: [{ ...sampleMember("n2", node.address), state: "down", sinceMs: 5_000 }],
  };
  const { code, err } = await at(node, "status", "--check");
  t.is(code, 6);
  t.is(err, "unhealthy: n2 has been down for 5.0 s\n");
});

test("a status without a leader is a complaint, and a joining member is none", (t) => {
  const status = {
    node: "n1",
    ready: true,
    role: "follower" as const,
    members: [{ ...sampleMember("n2", "a:1"), state: "joining" as const }],
  };
  t.deepEqual(complaints(status as never), ["n1 knows no leader"]);
});

test("submit waits for the end of the job, and its way is the exit code", async (t) => {
  for (const [state, code] of [
    ["done", 0],
    ["failed", 1],
    ["cancelled", 1],
  ] as const) {
    await using node = await FakeNode.start();
    const submitted = at(
      node,
      "job",
      "submit",
      "--model",
      "m",
      "--input",
      "a/",
      "b/",
      "--name",
      "x",
    );
    // The command looks at the running job at least once before it ends.
    while (!node.asked.includes("GET /v1/jobs/j1")) await new Promise(setImmediate);
    node.cluster.jobs.set("j1", { ...sampleJob, state, why: "too many errors" });
    const { code: exitCode, out, err } = await submitted;
    t.is(exitCode, code, state);
    t.regex(out, new RegExp(`state: +${state}`));
    t.is(/idunno: job j1 .*too many errors/.test(err), state !== "done");
  }
});

test("submit --no-wait prints the job and comes back", async (t) => {
  await using node = await FakeNode.start();
  const argv = ["job", "submit", "--model", "m", "--input", "a/", "--no-wait", "-o", "json"];
  const { code, out, err } = await at(node, ...argv);
  t.is(code, 0);
  t.is((JSON.parse(out) as { id: string }).id, "j1");
  t.regex(err, /next: idunno job watch j1/);
});

test("wait ends with 124 when the time given is over, and is 1 when one job failed", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.jobs.set("j1", sampleJob).set("j2", { ...sampleJob, id: "j2", state: "failed" });
  node.cluster.jobs.set("j3", { ...sampleJob, id: "j3", state: "done" });
  t.is((await at(node, "job", "wait", "j3")).code, 0);
  t.is((await at(node, "job", "wait", "j3", "j2")).code, 1);
  t.is((await at(node, "job", "wait", "j1", "--timeout", "1s")).code, 124);
});

test("a job is paused, resumed, cancelled and set", async (t) => {
  await using node = await FakeNode.start();
  const { jobs } = node.cluster;
  jobs.set("j1", sampleJob);
  for (const [verb, state] of [
    ["pause", "paused"],
    ["resume", "running"],
    ["cancel", "cancelled"],
  ] as const) {
    t.is((await at(node, "job", verb, "j1")).code, 0);
    t.is(jobs.get("j1")?.state, state);
  }
  await at(node, "job", "set", "j1", "--batch-size", "16", "--weight", "2");
  t.like(jobs.get("j1"), { batchSize: 16, weight: 2, priority: 0 });
  await at(node, "job", "set", "j1", "--priority", "-3");
  t.like(jobs.get("j1"), { weight: 2, priority: -3 });
  t.is((await at(node, "job", "set", "j1")).code, 2);
});

test("a job is retried with what is to be otherwise", async (t) => {
  await using node = await FakeNode.start();
  const { jobs } = node.cluster;
  jobs.set("j1", sampleJob);
  const changes = ["--batch-size", "1", "--priority", "-1", "--no-wait", "-o", "json"];
  const { code, out } = await at(node, "job", "retry", "j1", ...changes);
  t.is(code, 0);
  t.like(JSON.parse(out), { id: "j2", retryOf: "j1", batchSize: 1, priority: -1 });
  t.is((await at(node, "job", "retry", "nothing")).code, 2);
});

test("a setting is set, shown, listed over all pages and removed", async (t) => {
  await using node = await FakeNode.start();
  const { settings } = node.cluster;
  t.is((await at(node, "setting", "set", "x-a", "a value")).code, 0);
  t.is(settings.get("x-a"), "a value");
  for (const name of ["x-b", "x-c", "x-d", "y"]) settings.set(name, name);
  t.regex((await at(node, "setting", "get", "x-a")).out, /a value/);
  const { out } = await at(node, "setting", "ls", "x-", "-o", "csv");
  t.is(out, "setting,value,set\nx-a,a value,true\nx-b,x-b,true\nx-c,x-c,true\nx-d,x-d,true\n");
  t.is((await at(node, "setting", "rm", "x-a")).err, "removed setting x-a\n");
  t.false(settings.has("x-a"));
});

test("stats are count, rates, mean, deviation and percentiles", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.jobs.set("j1", sampleJob);
  const { out } = await at(node, "job", "stats", "j1");
  for (const line of [/queries: +2/, /mean: +20\.5|mean: +21 ms/, /median: +20 ms/, /p99: +22 ms/])
    t.regex(out, line);
  const { out: csv } = await at(node, "job", "stats", "j1", "-o", "csv");
  t.regex(csv, /\n2,0\.5,1,20\.5,1\.5,20,22,22,22\n/);
});

test("results are the lines of the answer; csv has the best label, and where arrays are", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.jobs.set("j1", sampleJob);
  const lines = [
    '{"input":"a.jpg","top":[{"label":"cat, tabby","score":0.750000}]}',
    '{"input":"b.jpg","error":"UNREADABLE","message":"no image"}',
    '{"input":"c.npy","tensors":{"file":"jobs/j1/tensors/0000000000.npz","row":2}}',
  ];
  node.cluster.results.set("j1", lines);
  t.is((await at(node, "job", "results", "j1")).out, `${lines.join("\n")}\n`);
  t.is(
    (await at(node, "job", "results", "j1", "-o", "csv")).out,
    'input,label,score,error,file,row\na.jpg,"cat, tabby",0.75,,,\nb.jpg,,,UNREADABLE,,\n' +
      "c.npy,,,,jobs/j1/tensors/0000000000.npz,2\n",
  );
});

test("a model is added from its file and the manifest beside it, and a wrong hash stops it", async (t) => {
  await using node = await FakeNode.start();
  const directory = await mkdtemp(join(tmpdir(), "idunno-model-"));
  try {
    const sha256 = createHash("sha256").update("weights").digest("hex");
    const manifest = smallManifest("other", { sha256 });
    await writeFile(join(directory, "net.onnx"), "weights");
    await writeFile(join(directory, "net.json"), JSON.stringify(manifest));
    const options = { directory, env: { IDUNNO_NODE: node.address } };
    const added = await idunno(["model", "add", "mine", "net.onnx"], options);
    t.is(added.code, 0, added.err);
    t.is(node.cluster.files.get("models/mine/model.onnx")?.[0]?.content.toString(), "weights");
    t.like(node.cluster.models.get("mine"), { name: "mine", manifest: { name: "mine" } });

    await writeFile(join(directory, "net.onnx"), "other weights");
    const refused = await idunno(["model", "add", "mine", "net.onnx"], options);
    t.is(refused.code, 1);
    t.regex(refused.err, /hashes to .* \[BAD_MODEL\]/);
    t.is((await idunno(["model", "add", "mine", "none.onnx"], options)).code, 2);
    t.is(node.cluster.files.get("models/mine/model.onnx")?.length, 1);
    t.regex(await readFile(join(directory, "net.json"), "utf8"), /"other"/);
  } finally {
    await rm(directory, { recursive: true });
  }
});

function entry(index: number, term: number, chain = "ab12"): LogEntryView {
  return { index, term, kind: "command", bytes: 10, chain, command: { kind: "noop" } };
}

test("log dump has the entries asked for, over all pages", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.log = Array.from({ length: 10 }, (_, i) => entry(i + 5, 1));
  const indexes = async (...argv: string[]): Promise<string> =>
    (await at(node, "log", ...argv, "-o", "ndjson")).out.replaceAll(/.*"index":(\d+).*\n/g, "$1 ");
  t.is(await indexes("dump"), "5 6 7 8 9 10 11 12 13 14 ");
  t.is(await indexes("dump", "--from", "8", "--limit", "5"), "8 9 10 11 12 ");
  node.cluster.status = { lastIndex: 14 };
  t.is(await indexes("tail", "-n", "4"), "11 12 13 14 ");
});

test("log verify is 6 at a gap, a falling term or a missing chain value", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.log = [entry(5, 1), entry(6, 1), entry(7, 2)];
  const good = await at(node, "log", "verify");
  t.deepEqual([good.code, good.out], [0, "3 entries, chain OK\n"]);
  for (const [log, why] of [
    [[entry(1, 1), entry(3, 1)], /entry 3: it follows entry 1/],
    [[entry(1, 2), entry(2, 1)], /its term 1 is below 2/],
    [[entry(1, 1, "")], /no chain value/],
  ] as const) {
    node.cluster.log = [...log];
    const { code, err } = await at(node, "log", "verify");
    t.is(code, 6);
    t.regex(err, why);
  }
});

test("a stopped node's log is read from its directory", async (t) => {
  const opened: string[] = [];
  const door = {
    startNode: async () => Promise.reject(new Error("not asked for")),
    recovery: async () => Promise.reject(new Error("not asked for")),
    openLogDirectory: async () =>
      async function* (directory: string) {
        opened.push(directory);
        yield* [entry(1, 1), entry(2, 1), entry(3, 1)];
        if (directory.endsWith("used")) throw new IDunnoError("DIRECTORY_IN_USE", { directory });
      },
  };
  const options = { directory: "/var/lib", door };
  t.is((await idunno(["log", "verify", "--data-dir", "n1"], options)).out, "3 entries, chain OK\n");
  const tail = await idunno(["log", "tail", "-n", "1", "--data-dir", "n1", "-o", "csv"], options);
  t.regex(tail.out, /\n3,1,command,10,ab12,/);
  const used = await idunno(["log", "dump", "--data-dir", "used"], options);
  t.is(used.code, 5);
  t.deepEqual(opened, ["/var/lib/n1", "/var/lib/n1", "/var/lib/used"]);
});

test("start compiles its options, and a signal closes the node in good order", async (t) => {
  const started: NodeOptions[] = [];
  const stop = new AbortController();
  let closed = 0;
  let stopped = (): void => undefined;
  const node: RunningNode = {
    httpPort: 8001,
    peerPort: 7001,
    stopped: new Promise((resolve) => (stopped = resolve)),
    close: async () => {
      closed += 1;
      stopped();
    },
  };
  const door = {
    startNode: async () => async (options: NodeOptions) => {
      started.push(options);
      setImmediate(() => stop.abort(new Error("SIGTERM")));
      return node;
    },
    openLogDirectory: async () => Promise.reject(new Error("not asked for")),
    recovery: async () => Promise.reject(new Error("not asked for")),
  };
  const argv =
    "start --name n1 --data-dir d --listen a:7001 --http a:8001 --bootstrap n1=a:7001,n2=b:7001";
  const { code, err } = await idunno(
    [
      ...argv.split(" "),
      "--slots",
      "2",
      "--loaded-models",
      "20",
      "--label",
      "rack=r1",
      "--label",
      "zone=z",
    ],
    { directory: "/var", door, signal: stop.signal },
  );
  t.is(code, 0, err);
  t.is(closed, 1);
  t.deepEqual(started, [
    {
      name: "n1",
      dataDirectory: "/var/d",
      listen: { host: "a", port: 7001 },
      http: { host: "a", port: 8001 },
      advertise: undefined,
      bootstrap: [
        { name: "n1", host: "a", port: 7001 },
        { name: "n2", host: "b", port: 7001 },
      ],
      join: undefined,
      voters: undefined,
      slots: 2,
      loadedModels: 20,
      diskReserveBytes: undefined,
      labels: { rack: "r1", zone: "z" },
    },
  ]);
  t.regex(err, /n1 is up: http:\/\/a:8001/);
});
