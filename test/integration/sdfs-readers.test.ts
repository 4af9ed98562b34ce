/**
 * What a reader gets when something happens while it reads: the whole version that it began with, from one connection,
 * whatever dies, rots or is removed meanwhile. Readers here stop after the first bytes until it has happened.
 */
import { get, type IncomingMessage } from "node:http";
import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { dataDirectory } from "../../src/cli/dev/daemon.ts";
import type { DevCluster } from "../../src/cli/dev/cluster.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";
import { type Content, digestOf, mib, sha256Of, streamOf } from "../soak/sdfs/content.ts";
import { chunkFile, flipBit, goodCopies } from "../soak/sdfs/replicas.ts";
import { clientOf, putText, startCluster, stopCluster, until } from "./support.ts";

/** What lies between the disk and a reader that stops, sockets and read-ahead, is far less. */
const bytes = 48 * mib;
const random = new Random(7);

let five: DevCluster;

test.before(async (t) => {
  t.timeout(180_000);
  five = await startCluster(5, 1);
});

test.after.always(async () => stopCluster(five));

interface Placed {
  readonly content: Content;
  readonly path: string;
  /** The last chunk, who has it, and who has not. */
  readonly hash: string;
  readonly holders: readonly string[];
  readonly other: string;
}

async function place(seed: number): Promise<Placed> {
  const content: Content = { seed, tail: seed, bytes };
  const path = `read/${seed}`;
  const client = clientOf(five.endpoints);
  await client.putFile(path, { kind: "reopen", open: () => streamOf(content) });
  const last = (await client.locate(path)).chunks.at(-1);
  const holders = (last?.replicas ?? []).map(({ node }) => node);
  const other = five.nodes.find(({ name }) => !holders.includes(name))?.name ?? "";
  return { content, path, hash: last?.hash ?? "", holders, other };
}

/** The answer to a read through one node, which has begun to come and waits to be read. */
async function begin(path: string, node: string): Promise<IncomingMessage> {
  const address = five.nodes.find(({ name }) => name === node)?.httpAddress ?? "";
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`http://${address}/v1/files/${path}`, resolve).once("error", reject);
  });
  await new Promise((resolve) => answer.once("readable", resolve));
  return answer;
}

function isQuarantined(node: string, hash: string): boolean {
  return existsSync(join(dataDirectory(five.directory, node), "chunks", "bad", hash));
}

test.serial("a reader of a file that is removed meanwhile gets all of what it began", async (t) => {
  t.timeout(120_000);
  const { content, path, other } = await place(1);
  const reading = await begin(path, other);
  const client = clientOf(five.endpoints);
  await client.removeFile(path);
  t.true(hasCode(await t.throwsAsync(client.stat(path)), "NOT_FOUND"));
  t.is((await digestOf(reading)).sha256, sha256Of(content));
});

test.serial("a reader of a version that is outnumbered meanwhile gets all of it", async (t) => {
  t.timeout(120_000);
  const { content, path, other } = await place(2);
  const reading = await begin(path, other);
  const client = clientOf(five.endpoints);
  for (let n = 1; n <= 6; n += 1) await putText(client, path, `later ${n}`);
  t.true(hasCode(await t.throwsAsync(client.stat(path, { version: 1 })), "NOT_FOUND"));
  t.is((await digestOf(reading)).sha256, sha256Of(content));
});

test.serial(
  "damage that the node itself meets in the middle of a read is passed over and healed",
  async (t) => {
    t.timeout(120_000);
    const { content, path, hash, holders } = await place(3);
    const [node = ""] = holders;
    const reading = await begin(path, node);
    t.true(await flipBit(chunkFile(five, node, hash), random));
    t.is((await digestOf(reading)).sha256, sha256Of(content));
    t.true(isQuarantined(node, hash));
    await until("four good copies", async () => (await goodCopies(five, hash)).length >= 4);
  },
);

test.serial("three damaged copies of four are passed over and healed", async (t) => {
  t.timeout(120_000);
  const { content, path, hash, holders, other } = await place(4);
  const reading = await begin(path, other);
  const damaged = holders.slice(0, 3);
  for (const node of damaged) t.true(await flipBit(chunkFile(five, node, hash), random));
  t.is((await digestOf(reading)).sha256, sha256Of(content));
  // Who was not asked does not know yet.
  for (const node of damaged) {
    const { body } = await clientOf([
      five.nodes.find(({ name }) => name === node)?.httpAddress ?? "",
    ]).getFile(path);
    t.is((await digestOf(body)).sha256, sha256Of(content));
    t.true(isQuarantined(node, hash));
  }
  await until("four good copies", async () => (await goodCopies(five, hash)).length >= 4);
});

test.serial(
  "a read goes on though three of the four replicas die in the middle of it",
  async (t) => {
    t.timeout(120_000);
    const { content, path, holders, other } = await place(5);
    const reading = await begin(path, other);
    await Promise.all(holders.slice(0, 3).map(async (node) => five.kill(node, "SIGKILL")));
    t.is((await digestOf(reading)).sha256, sha256Of(content));
  },
);
