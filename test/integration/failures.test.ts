/** What the promises P1 to P3 mean, on real processes: nothing acknowledged is lost, results are the same bytes. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { openDatabase } from "../../src/node/stores/level.ts";
import {
  addModel,
  clientOf,
  cluster,
  daemonLog,
  download,
  jobDone,
  putText,
  resultsOf,
  sha256,
  startCluster,
  stopCluster,
  until,
  uploadPhotos,
} from "./support.ts";

const photos = 60;
let undisturbed = "";

test.before("an undisturbed run on one node is the reference", async (t) => {
  t.timeout(180_000);
  const alone = await startCluster(1, 2);
  try {
    const client = clientOf(alone.endpoints);
    await uploadPhotos(client, photos);
    await addModel(client, "mobilenet_v2");
    const { id } = await client.submitJob({
      model: "mobilenet_v2",
      inputs: ["photos/"],
      batchSize: 7,
    });
    undisturbed = await resultsOf(client, await jobDone(client, id));
  } finally {
    await stopCluster(alone);
  }
});

test.serial(
  "the leader is killed in the middle of a job: the results are the same bytes",
  async (t) => {
    t.timeout(180_000);
    const five = await cluster(t, 5);
    const client = clientOf(five.endpoints);
    const paths = await uploadPhotos(client, photos);
    await addModel(client, "mobilenet_v2");
    const { id } = await client.submitJob({
      model: "mobilenet_v2",
      inputs: ["photos/"],
      batchSize: 2,
    });
    await until("a third of the job", async () => (await client.job(id)).doneInputs >= photos / 3);
    const { leader = "" } = await client.status();
    await five.kill(leader, "SIGKILL");
    const job = await jobDone(client, id);
    t.is(job.state, "done");
    const results = await resultsOf(client, job);
    const inputs = results
      .split("\n")
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { input: string }).input);
    t.deepEqual(inputs, paths, "every input once, in order");
    t.is(sha256(results), sha256(undisturbed));
    t.not((await client.status()).leader, leader, "somebody else leads");
    await five.restart(leader);
    await until("the old leader to be up again", async () =>
      (await client.members()).every(({ state }) => state === "up"),
    );
  },
);

test.serial(
  "all five are killed at once in the middle of a job and started again: nothing acknowledged is lost",
  async (t) => {
    t.timeout(180_000);
    const five = await cluster(t, 5);
    const client = clientOf(five.endpoints);
    await uploadPhotos(client, photos);
    await addModel(client, "mobilenet_v2");
    const { id } = await client.submitJob({
      model: "mobilenet_v2",
      inputs: ["photos/"],
      batchSize: 2,
    });
    await putText(client, "notes/last.txt", "acknowledged");
    await until("some of the job", async () => (await client.job(id)).doneInputs >= 10);
    const before = await client.job(id);
    await Promise.all(five.nodes.map(async ({ name }) => five.kill(name, "SIGKILL")));
    // Each waits until it is ready, which takes a majority: all at once.
    await Promise.all(five.nodes.map(async ({ name }) => five.restart(name)));
    const after = await client.job(id);
    t.true(after.doneInputs >= before.doneInputs, "committed results survive");
    t.is(await download(client, "notes/last.txt"), "acknowledged");
    const job = await jobDone(client, id);
    t.is(sha256(await resultsOf(client, job)), sha256(undisturbed));
  },
);

test.serial(
  "a node whose log lost its end says so, is healed by its peers and counts again",
  async (t) => {
    t.timeout(120_000);
    const three = await cluster(t, 3);
    const client = clientOf(three.endpoints);
    const put = async (name: string): Promise<unknown> => putText(client, name, name);
    for (let i = 0; i < 20; i += 1) await put(`files/${i}`);
    const { leader } = await client.status();
    const victim = three.nodes.find(({ name }) => name !== leader)?.name ?? "";
    await three.kill(victim, "SIGTERM");
    // LevelDB forgets the last entries without a word, as it may after a crash.
    const database = await openDatabase(join(three.directory, victim, "data", "raft"));
    const entries = await database.keys({ gte: "e", lt: "f" }).all();
    for (const key of entries.slice(-5)) await database.del(key, { sync: true });
    await database.close();
    // Empty, since content would wait for the third copy.
    await putText(client, "files/while-away", "");
    await three.restart(victim);
    t.regex(await daemonLog(three, victim), /"msg":"log-damaged"/);
    const local = clientOf([three.nodes.find(({ name }) => name === victim)?.httpAddress ?? ""]);
    await until("the victim to be whole", async () => (await local.status()).role !== "damaged");
    // With the third node dead the healed one is needed for every commit.
    const third = three.nodes.find(({ name }) => name !== victim && name !== leader)?.name ?? "";
    await three.kill(third, "SIGKILL");
    await putText(client, "files/after", "");
    t.is(await download(local, "files/19"), "files/19");
    t.is(await download(local, "files/while-away"), "");
  },
);

test.serial("chunks of a node that stays away are copied elsewhere", async (t) => {
  t.timeout(120_000);
  const five = await cluster(t, 5);
  const client = clientOf(five.endpoints);
  const content = "x".repeat(100_000);
  await putText(client, "kept.bin", content);
  const [chunk] = (await client.locate("kept.bin")).chunks;
  t.is(chunk?.replicas.length, 4);
  const { leader } = await client.status();
  const lost = chunk?.replicas.find(({ node }) => node !== leader)?.node ?? "";
  await five.kill(lost, "SIGKILL");
  await until("four copies on living nodes", async () => {
    const [now] = (await client.locate("kept.bin")).chunks;
    return (now?.replicas ?? []).filter(({ state }) => state === "up").length >= 4;
  });
  t.is(await download(client, "kept.bin"), content);
});

test.serial("a damaged replica is passed over by readers and made again", async (t) => {
  t.timeout(120_000);
  const three = await cluster(t, 3);
  const client = clientOf(three.endpoints);
  await putText(client, "precious.bin", "precious");
  const [chunk] = (await client.locate("precious.bin")).chunks;
  const hash = chunk?.hash ?? "";
  const [first] = three.nodes;
  const name = first?.name ?? "";
  await three.kill(name, "SIGTERM");
  await writeFile(
    join(three.directory, name, "data", "chunks", hash.slice(0, 1), hash),
    "damaged!",
  );
  await three.restart(name);
  const local = clientOf([first?.httpAddress ?? ""]);
  t.is(await download(local, "precious.bin"), "precious");
  await until("three copies again", async () => {
    const [now] = (await client.locate("precious.bin")).chunks;
    return (now?.replicas ?? []).length === 3;
  });
});
