/** The command line against real daemons: every command through a follower, what bad input says, and exit codes. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { DevCluster } from "../../src/cli/dev/cluster.ts";
import {
  addModel,
  clientOf,
  download,
  idunno,
  jobDone,
  putText,
  resultsOf,
  startCluster,
  stopCluster,
  uploadPhotos,
} from "./support.ts";

let shared: DevCluster;
let scratch = "";
/** A node that does not lead. */
let follower = "";

test.before("a cluster with a model and photos", async (t) => {
  t.timeout(120_000);
  scratch = await mkdtemp(join(tmpdir(), "idunno-cli-"));
  shared = await startCluster(3, 1);
  const client = clientOf(shared.endpoints);
  await uploadPhotos(client, 12);
  await addModel(client, "mobilenet_v2");
  const { leader } = await client.status();
  follower = shared.nodes.find(({ name }) => name !== leader)?.httpAddress ?? "";
});

test.after.always("the cluster goes", async () => {
  await stopCluster(shared);
  await rm(scratch, { recursive: true, force: true });
});

test.serial("every command does its work through a follower", async (t) => {
  t.timeout(120_000);
  const ok = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await idunno(args, follower);
    t.is(code, 0, `${args.join(" ")}: ${err}`);
    return out;
  };
  t.regex(await ok("status"), /follower/);
  t.regex(await ok("members"), /n1 .*\n.*n2 .*\n.*n3 /);
  t.regex(await ok("model", "ls"), /mobilenet_v2/);
  t.regex(await ok("model", "show", "mobilenet_v2"), /224/);
  const submitted = await ok(
    "job",
    "submit",
    "--model",
    "mobilenet_v2",
    "--input",
    "photos/",
    "--batch-size",
    "3",
    "-o",
    "json",
  );
  const { id, state } = JSON.parse(submitted) as { id: string; state: string };
  t.is(state, "done");
  t.regex(await ok("job", "ls"), new RegExp(`${id} `));
  t.regex(await ok("job", "status", id), /done/);
  t.regex(await ok("job", "watch", id), /done/);
  t.regex(await ok("job", "stats", id), /p99/);
  t.regex(await ok("job", "assignments"), /n1/);
  t.is((await ok("job", "results", id)).split("\n").length, 13);
  const file = join(scratch, "note.txt");
  await writeFile(file, "a note");
  await ok("sdfs", "put", file, "notes/note.txt");
  await ok("sdfs", "put", file, "notes/note.txt");
  t.is(await ok("sdfs", "cat", "notes/note.txt"), "a note");
  await ok("sdfs", "get", "notes/note.txt@1", join(scratch, "back.txt"));
  t.is(await readFile(join(scratch, "back.txt"), "utf8"), "a note");
  t.regex(await ok("sdfs", "ls", "notes"), /note\.txt/);
  t.regex(await ok("sdfs", "stat", "notes/note.txt"), /6 B/);
  t.is((await ok("sdfs", "versions", "notes/note.txt")).trim().split("\n").length, 3);
  t.regex(await ok("sdfs", "locate", "notes/note.txt"), /n1/);
  t.regex(await ok("sdfs", "store", "n1"), /[0-9a-f]{12}/);
  await ok("sdfs", "rm", "notes/note.txt");
  t.is((await idunno(["sdfs", "cat", "notes/note.txt"], follower)).code, 4);
  t.regex(await ok("setting", "ls"), /voters +7 +by default/);
  await ok("setting", "set", "voters", "3");
  t.regex(await ok("setting", "get", "voters"), /value: +3/);
  await ok("setting", "rm", "voters");
  t.regex(await ok("setting", "ls", "-o", "csv"), /^voters,7,false$/m);
  t.regex(await ok("log", "dump", "--limit", "3"), /register-member|noop/);
  t.regex(await ok("log", "tail", "-n", "2"), /\d/);
  t.regex(await ok("log", "verify"), /OK/);
});

test.serial("every node tells its metrics", async (t) => {
  for (const { httpAddress, name } of shared.nodes) {
    const answer = await fetch(`http://${httpAddress}/metrics`);
    t.regex(answer.headers.get("content-type") ?? "", /^text\/plain/);
    const text = await answer.text();
    const value = (row: string): number =>
      Number(
        text
          .split("\n")
          .find((line) => line.startsWith(`${row} `))
          ?.split(" ")[1],
      );
    const leads = value('idunno_raft_role{role="leader"}');
    t.is(leads, httpAddress === follower ? 0 : leads, name);
    t.is(value("idunno_peers_connected"), 2, name);
    t.is(value('idunno_members{state="up"}'), 3, name);
    t.true(value("idunno_raft_commit_index") >= value("idunno_raft_applied_index"), name);
    t.true(value("idunno_raft_leader_changes_total") >= 1, name);
    t.is(/idunno_raft_peer_lag_entries\{/.test(text), leads === 1, name);
    t.is(value("idunno_commit_seconds_count") > 0, leads === 1, name);
  }
});

test.serial(
  "a running job's batch size can be set, and it can be paused, resumed and cancelled",
  async (t) => {
    t.timeout(60_000);
    const client = clientOf(shared.endpoints);
    const { id } = await client.submitJob({
      model: "mobilenet_v2",
      inputs: ["photos/"],
      batchSize: 1,
    });
    // At once, or the job would be over before a command has started; a second pause changes nothing.
    await client.setJob(id, { state: "paused" });
    t.is((await idunno(["job", "pause", id], follower)).code, 0);
    t.is((await client.job(id)).state, "paused");
    t.is((await idunno(["job", "set", id, "--batch-size", "2"], follower)).code, 0);
    t.is((await client.job(id)).batchSize, 2);
    t.is((await idunno(["job", "resume", id], follower)).code, 0);
    const job = await jobDone(client, id);
    t.is(job.doneInputs, 12);
    t.is((await idunno(["job", "cancel", id], follower)).code, 5, "it has ended");
  },
);

test.serial(
  "results that are followed come once each, in order, and end with the job",
  async (t) => {
    t.timeout(60_000);
    const client = clientOf([follower]);
    const body = { model: "mobilenet_v2", inputs: ["photos/"], batchSize: 1 };
    const { id } = await client.submitJob(body);
    const lines: string[] = [];
    for await (const line of client.resultLines(id, { follow: true })) lines.push(line);
    const job = await client.job(id);
    t.is(job.state, "done", "following ends when the job has, though nothing more happens then");
    t.is(`${lines.join("\n")}\n`, await resultsOf(client, job));
  },
);

const bad: readonly (readonly [
  what: string,
  args: readonly string[],
  code: number,
  says: RegExp,
])[] = [
  ["a setting that there is not", ["setting", "get", "x-none"], 4, /no setting x-none/],
  ["a setting of no sense", ["setting", "set", "voters", "many"], 2, /whole number from 1 to 7/],
  ["a setting of no such name", ["setting", "set", "voter", "3"], 2, /name your own x-/],
  [
    "an unknown model",
    ["job", "submit", "--model", "nope", "--input", "photos/"],
    4,
    /no model nope; see 'idunno model ls'/,
  ],
  ["an unknown job", ["job", "status", "j999999"], 4, /no job j999999; see 'idunno job ls'/],
  [
    "an input prefix with nothing in it",
    ["job", "submit", "--model", "mobilenet_v2", "--input", "empty/"],
    4,
    /no input empty\//,
  ],
  ["a job without inputs", ["job", "submit", "--model", "mobilenet_v2"], 2, /--input/],
  ["an unknown file", ["sdfs", "cat", "no/such"], 4, /no file no\/such/],
  ["a path that climbs", ["sdfs", "cat", "a/../b"], 2, /\.\./],
  ["an unknown command", ["sdfs", "putt"], 2, /unknown command|Did you mean/],
];

for (const [what, args, code, says] of bad)
  test.serial(`${what} is one line with a remedy and exit code ${code}`, async (t) => {
    const ran = await idunno(args, follower);
    t.is(ran.code, code, ran.err);
    t.regex(ran.err, says);
    t.is(ran.out, "");
    t.notRegex(ran.err, /\n {4}at /, "no stack");
  });

test.serial("a corrupt ONNX file is refused, saying so, and harms nobody", async (t) => {
  t.timeout(60_000);
  const manifest = JSON.parse(await readFile("build/models/mobilenet_v2.json", "utf8")) as Record<
    string,
    unknown
  >;
  const onnx = Buffer.from("this is no network");
  const { createHash } = await import("node:crypto");
  const sha256 = createHash("sha256").update(onnx).digest("hex");
  await writeFile(join(scratch, "broken.onnx"), onnx);
  await writeFile(
    join(scratch, "broken.json"),
    JSON.stringify({ ...manifest, name: "broken", sha256 }),
  );
  const ran = await idunno(["model", "add", "broken", join(scratch, "broken.onnx")], follower);
  t.is(ran.code, 1, ran.err);
  t.regex(ran.err, /model broken cannot be used/);
  t.deepEqual(
    (await clientOf(shared.endpoints).models()).map(({ name }) => name),
    ["mobilenet_v2"],
  );
});

test.serial("an unreadable image becomes an error record beside good results", async (t) => {
  t.timeout(60_000);
  const client = clientOf(shared.endpoints);
  await putText(client, "mixed/broken.jpg", "no image at all");
  await client.putFile("mixed/good.jpg", {
    kind: "reopen",
    open: () => new Blob([]).stream(),
  });
  const { id } = await client.submitJob({
    model: "mobilenet_v2",
    inputs: ["mixed/", "photos/"],
  });
  const job = await jobDone(client, id);
  t.is(job.state, "done");
  t.is(job.errorInputs, 2);
  t.is(job.doneInputs, 14);
});

test.serial("bytes are stored as they are, whatever type they claim to be", async (t) => {
  for (const type of ["application/json", "text/plain", "image/jpeg"]) {
    const answer = await fetch(`http://${follower}/v1/files/typed/file`, {
      method: "PUT",
      headers: { "content-type": type },
      body: '{"a": 1}',
    });
    t.is(answer.status, 200, type);
    t.is(await download(clientOf([follower]), "typed/file"), '{"a": 1}', type);
  }
});

test.serial("a file of many chunks comes back byte for byte, and in ranges", async (t) => {
  t.timeout(60_000);
  const client = clientOf(shared.endpoints);
  const bytes = Buffer.alloc(9 * 1024 * 1024 + 17);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 2_654_435_761) >>> 24;
  await client.putFile("big.bin", {
    kind: "reopen",
    open: () => new Blob([bytes]).stream(),
  });
  t.is((await client.stat("big.bin")).chunks, 3);
  t.true(Buffer.from(await download(client, "big.bin"), "latin1").equals(bytes));
  const part = await fetch(`http://${follower}/v1/files/big.bin`, {
    headers: { range: "bytes=4194300-4194310" },
  });
  t.is(part.status, 206);
  t.true(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(4_194_300, 4_194_311)));
});

test.serial(
  "a second node on the same directory, and a port in use, are plain sentences",
  async (t) => {
    t.timeout(60_000);
    const [node] = shared.nodes;
    const start = (directory: string, listen: string, http: string): readonly string[] => [
      "start",
      "--name",
      "n1",
      "--data-dir",
      directory,
      "--listen",
      listen,
      "--http",
      http,
    ];
    const data = join(shared.directory, "n1", "data");
    const second = await idunno(start(data, "127.0.0.1:1", "127.0.0.1:1"));
    t.not(second.code, 0);
    t.regex(second.err, /is in use by another running node/);
    const taken = await idunno([
      ...start(join(scratch, "fresh"), node?.peerAddress ?? "", "127.0.0.1:0"),
      "--bootstrap",
      `n1=${node?.peerAddress ?? ""}`,
    ]);
    t.not(taken.code, 0);
    t.regex(taken.err, /is taken by another process/);
  },
);

test.serial("nobody there is exit code 3", async (t) => {
  const ran = await idunno(["members", "--timeout", "500ms"], "127.0.0.1:1");
  t.is(ran.code, 3, ran.err);
  t.regex(ran.err, /no node answered/);
});
