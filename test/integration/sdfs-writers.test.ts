/** What becomes of odd puts on real daemons: bad names, empty files, clients that stop in the middle, writers of one path. */
import { existsSync } from "node:fs";
import { readdir, readlink, rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { dataDirectory } from "../../src/cli/dev/daemon.ts";
import type { DevCluster } from "../../src/cli/dev/cluster.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { chunksOf, digestOf, mib, sha256Of, streamOf, type Content } from "../soak/sdfs/content.ts";
import { chunkFile, clientVia } from "../soak/sdfs/replicas.ts";
import { clientOf, download, putText, startCluster, stopCluster, until } from "./support.ts";

let three: DevCluster;

test.before(async (t) => {
  t.timeout(120_000);
  three = await startCluster(3, 1);
});

test.after.always(async () => stopCluster(three));

function addressOf(n: number): string {
  return three.nodes[n]?.httpAddress ?? "";
}

interface Sent {
  /** What of the content was sent before the client stopped. */
  readonly content: Content;
  readonly path: string;
  /** The connection is cut. */
  destroy(): void;
  /** Status and body of the answer, if there is one. */
  readonly answer: Promise<{ readonly status: number; readonly body: string } | undefined>;
}

/** A client that says it will send 50 MiB, and stops after `content`. */
function stopsAfter(content: Content, path: string, timeoutMs: number): Sent {
  const [host, port] = addressOf(0).split(":");
  const asked = request({
    host,
    port,
    method: "PUT",
    path: `/v1/files/${path}`,
    headers: {
      "content-length": 50 * mib,
      "content-type": "application/octet-stream",
      "idunno-timeout-ms": timeoutMs,
    },
  });
  const answer = new Promise<{ status: number; body: string } | undefined>((resolve) => {
    asked.once("error", () => resolve(undefined));
    asked.once("response", (response) => {
      let body = "";
      response.on("data", (piece: Buffer) => (body += piece.toString()));
      response.once("error", () => resolve(undefined));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
  });
  void (async () => {
    for await (const piece of streamOf(content)) asked.write(piece);
  })();
  return { content, path, destroy: () => asked.destroy(), answer };
}

/** Its first chunk lies on the node that takes it. */
async function halfWay({ content }: Sent): Promise<void> {
  const [first = ""] = chunksOf(content);
  await until("the first chunk to be stored", async () =>
    existsSync(chunkFile(three, "n1", first)),
  );
}

async function isAbsent(t: ExecutionContext, path: string): Promise<void> {
  for (let n = 0; n < 3; n += 1) {
    const error = await t.throwsAsync(clientVia(addressOf(n), 10_000).stat(path));
    t.true(hasCode(error, "NOT_FOUND"));
  }
  const listed = await clientOf(three.endpoints).list({ prefix: path });
  t.deepEqual(listed.files, []);
}

async function asideFiles(): Promise<string[]> {
  const folders = three.nodes.map(({ name }) =>
    join(dataDirectory(three.directory, name), "chunks", "tmp"),
  );
  return (await Promise.all(folders.map(async (folder) => readdir(folder)))).flat();
}

/** Connections and files that the first node has open. */
async function openSockets(): Promise<number> {
  const folder = `/proc/${three.nodes[0]?.pid ?? 0}/fd`;
  const links = (await readdir(folder)).map(async (fd) =>
    readlink(join(folder, fd)).catch(() => ""),
  );
  return (await Promise.all(links)).filter((link) => link.startsWith("socket:")).length;
}

/** A put as it stands in the request's first line, which no client library has tidied. */
async function rawPut(path: string): Promise<{ readonly status: number; readonly body: string }> {
  const [host, port] = addressOf(0).split(":");
  return new Promise((resolve, reject) => {
    const asked = request({ host, port, method: "PUT", path: `/v1/files/${path}` }, (response) => {
      let body = "";
      response.on("data", (piece: Buffer) => (body += piece.toString()));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.once("error", reject);
    asked.end("content");
  });
}

test.serial("a bad name is refused with the reason, and leaves nothing", async (t) => {
  const names = ["a/../b", "a/%2e%2e/b", "a//b", "a/", "a%0ab", "a%00b", "x".repeat(1_025)];
  for (const name of [...names, `${"%e7%8c%ab".repeat(341)}xx`]) {
    const { status, body } = await rawPut(`bad/${name}`);
    t.is(status, 422, body);
    t.regex(body, /"code":"INVALID"/);
  }
  const { files } = await clientOf(three.endpoints).list({ prefix: "bad" });
  t.deepEqual(files, []);
  const longest = `bad/${"x".repeat(1_020)}`;
  t.is((await rawPut(longest)).status, 200);
  t.is(await download(clientOf(three.endpoints), longest), "content");
});

test.serial("a file of no bytes is a file: put, read, overwritten and removed", async (t) => {
  const client = clientOf(three.endpoints);
  const file = await putText(client, "empty", "");
  t.like(file, { version: 1, bytes: 0, chunks: 0, copies: 3 });
  for (let n = 0; n < 3; n += 1) t.is(await download(clientVia(addressOf(n), 10_000), "empty"), "");
  const ranged = await fetch(`http://${addressOf(1)}/v1/files/empty`, {
    headers: { range: "bytes=0-9" },
  });
  t.is(ranged.status, 422, "there are no bytes to give");
  await ranged.text();
  t.is((await putText(client, "empty", "full")).version, 2);
  t.is((await putText(client, "empty", "")).version, 3);
  t.is(await download(client, "empty"), "");
  await client.removeFile("empty");
  await isAbsent(t, "empty");
});

test.serial(
  "a client that breaks off in the middle of an upload leaves nothing visible, and nothing open",
  async (t) => {
    t.timeout(120_000);
    const client = clientOf(three.endpoints);
    await client.members();
    const before = await openSockets();
    for (let seed = 1; seed <= 10; seed += 1) {
      const sent = stopsAfter({ seed, tail: seed, bytes: 9 * mib }, "half.bin", 60_000);
      await halfWay(sent);
      sent.destroy();
      t.is(await sent.answer, undefined);
    }
    await until("the connections to be closed", async () => (await openSockets()) <= before);
    await until("nothing to be half written", async () => (await asideFiles()).length === 0);
    await isAbsent(t, "half.bin");
    const whole: Content = { seed: 1, tail: 1, bytes: 9 * mib };
    const file = await client.putFile("half.bin", { kind: "reopen", open: () => streamOf(whole) });
    t.like(file, { version: 1, bytes: whole.bytes, copies: 3 });
    const { body } = await client.getFile("half.bin");
    t.is((await digestOf(body)).sha256, sha256Of(whole));
  },
);

test.serial(
  "a client that falls silent in the middle of an upload is told so after its time, and leaves nothing visible",
  async (t) => {
    t.timeout(60_000);
    const sent = stopsAfter({ seed: 21, tail: 21, bytes: 5 * mib }, "silent.bin", 2_000);
    await halfWay(sent);
    const answer = await sent.answer;
    t.is(answer?.status, 504);
    t.regex(answer?.body ?? "", /"code":"TIMED_OUT"/);
    await isAbsent(t, "silent.bin");
    sent.destroy();
  },
);

test.serial(
  "writers of one path at once all become versions, each with its own bytes",
  async (t) => {
    t.timeout(60_000);
    const put = async (n: number) => {
      const text = `written by ${n}`;
      return { text, ...(await putText(clientVia(addressOf(n % 3), 30_000), "shared", text)) };
    };
    const written = await Promise.all(Array.from({ length: 9 }, async (_, n) => put(n)));
    const versions = written.map(({ version }) => version).toSorted((a, b) => a - b);
    t.deepEqual(versions, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const client = clientOf(three.endpoints);
    const kept = (await client.versions("shared")).map(({ version }) => version);
    t.deepEqual(kept, [5, 6, 7, 8, 9]);
    for (const version of kept) {
      const { body } = await client.getFile("shared", { version });
      const { sha256 } = await digestOf(body);
      const { text } = written.find((each) => each.version === version) ?? { text: "" };
      t.is(sha256, (await digestOf(oneOf(Buffer.from(text)))).sha256, `version ${version}`);
    }
  },
);

async function* oneOf(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece;
}

test.serial("of writers that replace one version exactly one does", async (t) => {
  t.timeout(60_000);
  for (const ifVersion of [0, 1, 2]) {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, async (_, n) => {
        const text = `${ifVersion} by ${n}`;
        const source = { kind: "reopen", open: () => oneOf(Buffer.from(text)) } as const;
        const client = clientVia(addressOf(n % 3), 30_000);
        return { text, ...(await client.putFile("contested", source, { ifVersion })) };
      }),
    );
    const won = outcomes.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    t.is(won.length, 1);
    t.is(won[0]?.version, ifVersion + 1);
    for (const each of outcomes)
      t.true(each.status === "fulfilled" || hasCode(each.reason, "CONFLICT"));
    t.is(await download(clientOf(three.endpoints), "contested"), won[0]?.text ?? "nobody won");
  }
});

test.serial(
  "a file whose bytes are nowhere is an error with a code, not half an answer",
  async (t) => {
    t.timeout(60_000);
    const content: Content = { seed: 31, tail: 31, bytes: 100_000 };
    const client = clientOf(three.endpoints);
    await client.putFile("gone.bin", { kind: "reopen", open: () => streamOf(content) });
    const [hash = ""] = chunksOf(content);
    for (const { name } of three.nodes) await rm(chunkFile(three, name, hash));
    const answer = await fetch(`http://${addressOf(0)}/v1/files/gone.bin`);
    t.is(answer.status, 503);
    t.regex(await answer.text(), /"code":"CHUNK_UNAVAILABLE"/);
    const reading = async (): Promise<unknown> => {
      const { body } = await clientVia(addressOf(1), 8_000).getFile("gone.bin");
      return digestOf(body);
    };
    // The client tries until its time is over, which a node may be the first to notice.
    const error = await t.throwsAsync(reading());
    t.true(hasCode(error, "CHUNK_UNAVAILABLE") || hasCode(error, "TIMED_OUT"), String(error));
  },
);
