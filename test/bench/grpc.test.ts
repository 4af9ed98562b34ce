/** The hand-written gRPC call, against node's own HTTP/2. */
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import test from "ava";
import { connectEtcd, putRequest } from "../../bench/consensus/grpc.ts";
import { keyName, value } from "../../bench/consensus/putter.ts";
import { hasCode } from "../../src/lib/errors.ts";

interface Asked {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

async function listen(
  answer: (stream: ServerHttp2Stream, n: number) => void,
): Promise<{ server: Http2Server; port: number; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer();
  server.on("stream", (stream, headers) => {
    const pieces: Buffer[] = [];
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("end", () => {
      asked.push({ headers, body: Buffer.concat(pieces) });
      answer(stream, asked.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port, asked };
}

function succeed(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.end(Buffer.from([0, 0, 0, 0, 2, 0x0a, 0x00]));
}

test("puts many at a time, each with the headers and the message of KV/Put", async (t) => {
  const { server, port, asked } = await listen(succeed);
  const putter = await connectEtcd({ host: "127.0.0.1", port });
  // More than a connection's window of 64 KiB: room must be taken as it is given.
  const client = async (from: number): Promise<void> => {
    for (let key = from; key < 640; key += 16) await putter.put(key);
  };
  await Promise.all(Array.from({ length: 16 }, async (_, n) => client(n)));
  t.is(asked.length, 640);
  t.like(asked[0]?.headers, {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/etcdserverpb.KV/Put",
    ":authority": `127.0.0.1:${port}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  t.deepEqual(
    asked.map(({ body }) => body.toString("hex")).toSorted((a, b) => (a < b ? -1 : 1)),
    Array.from({ length: 640 }, (_, key) => putRequest(keyName(key), value).toString("hex")).sort(),
  );
  await putter[Symbol.asyncDispose]();
  server.close();
});

test("an answer without a message, a reset and a closed connection are failures", async (t) => {
  const { server, port } = await listen((stream, n) => {
    if (n === 1) stream.respond({ ":status": 200, "grpc-status": "14" }, { endStream: true });
    else if (n === 2) stream.close(8);
    else stream.session?.destroy();
  });
  const putter = await connectEtcd({ host: "127.0.0.1", port });
  for (let n = 0; n < 3; n += 1)
    t.true(hasCode(await t.throwsAsync(async () => putter.put(n)), "INTERNAL"));
  await putter[Symbol.asyncDispose]();
  server.close();
});

test("a message has gRPC's prefix and the two fields of PutRequest", (t) => {
  t.is(putRequest("k", "v").toString("hex"), "00000000060a016b120176");
  const long = putRequest("k", "v".repeat(300));
  t.is(long.subarray(0, 11).toString("hex"), "00000001320a016b12ac02");
  t.is(long.length, 5 + 3 + 3 + 300);
});
