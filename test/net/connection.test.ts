/** Requests and messages over one framed socket: each request ends in exactly one of its ways. */
import { once } from "node:events";
import { connect } from "node:net";
import test from "ava";
import { IDunnoError } from "../../src/lib/errors.ts";
import {
  Connection,
  type ConnectionHandlers,
  type ConnectionOptions,
} from "../../src/net/connection.ts";
import { encodeFrame, frameLimits } from "../../src/net/frame.ts";
import { FramedSocket } from "../../src/net/framed-socket.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";
import { until } from "../until.ts";
import { BareServer } from "./support.ts";

const options: ConnectionOptions = {
  name: "the wire",
  queueBytes: 1024 * 1024,
  served: 4,
  closeGraceMs: 200,
};
const patience = { timeoutMs: 10_000 };
const empty = new Uint8Array();

interface Ends extends AsyncDisposable {
  readonly near: Connection;
  readonly far: Connection;
  readonly nearSocket: FramedSocket;
  readonly farSocket: FramedSocket;
}

async function ends(
  far: ConnectionHandlers,
  changes: { near?: Partial<ConnectionOptions>; far?: Partial<ConnectionOptions> } = {},
): Promise<Ends> {
  let farSocket: FramedSocket | undefined;
  const server = await BareServer.listen(
    (socket) => (farSocket = new FramedSocket(socket, frameLimits)),
  );
  const socket = connect(server.port, "127.0.0.1");
  await once(socket, "connect");
  await until("accepted", () => farSocket !== undefined);
  const nearSocket = new FramedSocket(socket, frameLimits);
  const near = new Connection(nearSocket, { ...options, ...changes.near }, {});
  const connections = {
    near,
    nearSocket,
    farSocket: farSocket!,
    far: new Connection(farSocket!, { ...options, ...changes.far }, far),
  };
  return {
    ...connections,
    async [Symbol.asyncDispose]() {
      connections.far.destroy();
      near.destroy();
      await server.close();
    },
  };
}

test("replies find their requests, in whatever order they come", async (t) => {
  const waiting: (() => void)[] = [];
  await using wire = await ends({
    onRequest: async (head, body) => {
      if (head === "slow") await new Promise<void>((resolve) => waiting.push(resolve));
      return { head: [head], body };
    },
  });
  const slow = wire.near.request("slow", Uint8Array.of(1), patience);
  const quick = await wire.near.request({ n: 2 }, Uint8Array.of(2), patience);
  t.deepEqual(quick, { head: [{ n: 2 }], body: Uint8Array.of(2) });
  waiting[0]?.();
  t.deepEqual(await slow, { head: ["slow"], body: Uint8Array.of(1) });
});

test("undefined is a head like any other", async (t) => {
  await using wire = await ends({ onRequest: async (head) => ({ head }) });
  t.deepEqual(await wire.near.request(undefined, undefined, patience), {
    head: undefined,
    body: empty,
  });
});

test("an error on the other side is thrown here as what it is", async (t) => {
  await using wire = await ends({
    onRequest: async (head) => {
      if (head === "typed") throw new IDunnoError("NOT_LEADER", { leader: "n2" });
      if (head === "large") return { head, body: new Uint8Array(frameLimits.bodyBytes + 1) };
      throw new RangeError("boom");
    },
  });
  const typed = await t.throwsAsync(wire.near.request("typed", undefined, patience), {
    instanceOf: IDunnoError,
    code: "NOT_LEADER",
  });
  t.deepEqual((typed as IDunnoError).details, { leader: "n2" });
  await t.throwsAsync(wire.near.request("large", undefined, patience), { code: "TOO_LARGE" });
  await t.throwsAsync(wire.near.request("bug", undefined, patience), {
    code: "INTERNAL",
    message: /boom/,
  });
});

test("a request ends at its time-out or its caller's signal, and a late reply bothers nobody", async (t) => {
  const waiting: (() => void)[] = [];
  await using wire = await ends({
    onRequest: async (head) => {
      if (head !== "now") await new Promise<void>((resolve) => waiting.push(resolve));
      return { head };
    },
  });
  await t.throwsAsync(wire.near.request(1, undefined, { timeoutMs: 5 }), { code: "TIMED_OUT" });
  const { signal } = new AbortController();
  const abort = new AbortController();
  const cancelled = wire.near.request(2, undefined, { timeoutMs: 10_000, signal: abort.signal });
  abort.abort(new Error("no longer wanted"));
  const error = await t.throwsAsync(cancelled, { code: "CLOSED" });
  t.is((error?.cause as Error | undefined)?.message, "no longer wanted");
  const before = AbortSignal.abort();
  await t.throwsAsync(wire.near.request(3, undefined, { timeoutMs: 10_000, signal: before }), {
    code: "CLOSED",
  });
  await until("all have arrived", () => waiting.length === 3);
  for (const answer of waiting) answer();
  t.deepEqual((await wire.near.request("now", undefined, { ...patience, signal })).head, "now");
});

test("every pending request ends when the connection does", async (t) => {
  await using wire = await ends({ onRequest: () => new Promise(() => undefined) });
  const pending = [1, 2, 3].map((n) => wire.near.request(n, undefined, patience));
  wire.far.destroy();
  for (const outcome of await Promise.allSettled(pending)) {
    t.is(outcome.status === "rejected" && (outcome.reason as IDunnoError).code, "CLOSED");
  }
  await wire.near.closed;
  await t.throwsAsync(wire.near.request(4, undefined, patience), { code: "CLOSED" });
  t.false(wire.near.send("anyone?"));
});

test("close lets requests being served finish, and sends what was queued", async (t) => {
  const waiting: (() => void)[] = [];
  const messages: unknown[] = [];
  await using wire = await ends({
    onMessage: (head) => messages.push(head),
    onRequest: async (head) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { head };
    },
  });
  const last = wire.near.request("last", undefined, patience);
  await until("it is served", () => waiting.length === 1);
  const closing = wire.far.close();
  waiting[0]?.();
  t.is((await last).head, "last");
  await closing;
  await wire.near.closed;

  await using other = await ends({ onMessage: (head) => messages.push(head) });
  other.near.send("farewell");
  await Promise.all([other.near.close(), other.near.close(), other.far.closed]);
  t.deepEqual(messages, ["farewell"]);
});

test("close does not wait for ever for a request that hangs", async (t) => {
  let served = 0;
  await using wire = await ends({
    onRequest: () => {
      served += 1;
      return new Promise(() => undefined);
    },
  });
  const hanging = t.throwsAsync(wire.near.request(1, undefined, patience), { code: "CLOSED" });
  await until("it is served", () => served === 1);
  await wire.far.close();
  await hanging;
});

test("what waits to be sent is bounded: messages are dropped and requests told BUSY", async (t) => {
  const messages: unknown[] = [];
  await using wire = await ends({ onMessage: (head) => messages.push(head) });
  wire.farSocket.pause();
  const body = new Uint8Array(512 * 1024);
  let sent = 0;
  while (wire.near.send(sent, body)) sent += 1;
  t.true(wire.near.queuedBytes <= options.queueBytes);
  await t.throwsAsync(wire.near.request("?", body, patience), { code: "BUSY" });
  wire.farSocket.resume();
  await until("the rest arrived", () => messages.length === sent);
  t.true(wire.near.send("again"));
});

test("a frame larger than the queue passes when nothing else waits", async (t) => {
  await using wire = await ends({ onRequest: async (_, body) => ({ head: body.length }) });
  const body = new Uint8Array(4 * 1024 * 1024);
  t.is((await wire.near.request(0, body, patience)).head, body.length);
});

test("no more requests are read than may be served at once, and all are served in the end", async (t) => {
  let serving = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  await using wire = await ends({
    onRequest: async (head) => {
      serving += 1;
      most = Math.max(most, serving);
      await new Promise<void>((resolve) => waiting.push(resolve));
      serving -= 1;
      return { head };
    },
  });
  // Bodies so large that a read of the socket brings one at most.
  const body = new Uint8Array(128 * 1024);
  const requests: Promise<unknown>[] = [];
  for (let n = 0; n < 6; n += 1) requests.push(wire.near.request(n, body, patience));
  await until("as many as may be", () => serving === options.served);
  const replies = Promise.all(requests);
  let done = false;
  void replies.then(() => (done = true));
  await until("all are served", () => {
    waiting.shift()?.();
    return done;
  });
  t.is(most, options.served);
});

test("a peer that does not read its replies is not read either, until it does", async (t) => {
  const asked = 300;
  const reply = new Uint8Array(1024 * 1024);
  let served = 0;
  await using wire = await ends(
    {
      onRequest: async () => {
        served += 1;
        return { head: 0, body: reply };
      },
    },
    { near: { queueBytes: 64 * 1024 * 1024 } },
  );
  wire.nearSocket.pause();
  // Requests too large for the kernel to hold, so that one left unread is seen to be.
  const body = new Uint8Array(128 * 1024);
  const requests: Promise<unknown>[] = [];
  for (let n = 0; n < asked; n += 1) requests.push(wire.near.request(n, body, patience));
  let [before, sameFor] = [0, 0];
  await until("nothing more is served", () => {
    sameFor = served === before ? sameFor + 1 : 0;
    before = served;
    return sameFor > 30 && wire.far.queuedBytes > options.queueBytes;
  });
  t.true(served < asked);
  t.true(wire.near.queuedBytes > 0);
  t.true(wire.far.queuedBytes < options.queueBytes + options.served * (reply.length + body.length));
  wire.nearSocket.resume();
  await Promise.all(requests);
  t.is(served, asked);
});

test("nonsense after the handshake closes the connection with the reason", async (t) => {
  for (const head of [
    { kind: "shout" },
    17,
    { kind: "request", id: -1, head: 0 },
    { kind: "request", id: 1, head: 0 },
  ]) {
    await using wire = await ends({ onMessage: () => undefined });
    wire.farSocket.write(encodeFrame(head)); // the near end serves nothing
    const why = await wire.near.closed;
    t.is((why as IDunnoError).code, "MALFORMED", JSON.stringify(head));
  }
});

test("a peer that says nothing for too long is hung up on, one that answers pings is not", async (t) => {
  const ping = { runtime: systemRuntime, everyMs: 5, silenceMs: 50, always: true };
  await using alive = await ends({ onMessage: () => undefined }, { near: { ping } });
  await using silent = await ends({}, { near: { ping } });
  silent.farSocket.pause();
  t.is(((await silent.near.closed) as IDunnoError).code, "TIMED_OUT");
  t.true(alive.near.open);
});
