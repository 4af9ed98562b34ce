/** Peer networks that talk: lanes, answers, and what happens when nobody is there. */
import test from "ava";
import { hasCode, IDunnoError } from "../../src/lib/errors.ts";
import { unpack } from "../../src/lib/msgpack.ts";
import { NodeId } from "../../src/lib/types.ts";
import type { FramedSocket } from "../../src/net/framed-socket.ts";
import { greet } from "../../src/net/handshake.ts";
import { dial } from "../../src/net/dial.ts";
import { encodeFrame } from "../../src/net/frame.ts";
import { until } from "../until.ts";
import {
  a,
  at,
  b,
  BareServer,
  c,
  type Heard,
  identity,
  join,
  listen,
  type NetOptions,
  welcome,
} from "./support.ts";

const patience = { timeoutMs: 10_000 };

interface Pair extends AsyncDisposable {
  readonly near: Heard;
  readonly far: Heard;
}

/** `a` and `b`, connected both ways. */
async function pair(
  options: { near?: Partial<NetOptions>; far?: Partial<NetOptions> } = {},
): Promise<Pair> {
  const near = await listen({ identity: identity(a), ...options.near });
  const far = await listen({ identity: identity(b), ...options.far });
  join([a, near], [b, far]);
  await until(
    "both are connected",
    () => near.network.isConnected(b) && far.network.isConnected(a),
  );
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      await Promise.all([near.network.close(), far.network.close()]);
    },
  };
}

test("raft messages arrive in order, with the sender's name", async (t) => {
  await using nodes = await pair();
  for (let n = 0; n < 100; n += 1) {
    t.true(nodes.near.network.send(b, { n }));
    if (n % 7 === 0) await new Promise(setImmediate);
  }
  await until("all arrived", () => nodes.far.count("message") === 100);
  t.deepEqual(
    nodes.far.events.filter((event) => event.startsWith("message")),
    Array.from({ length: 100 }, (_, n) => `message a {"n":${n}}`),
  );
});

test("who is called hears where the caller listens, though he is no peer of his", async (t) => {
  const near = await listen({ identity: identity(a), advertise: "localhost" });
  const far = await listen({ identity: identity(b) });
  near.network.setPeers(new Map([[b, at(far.network.port)]]));
  await until("it was called", () => far.calls.length === 1);
  t.deepEqual(far.calls, [`a raft localhost:${near.network.port}`]);
  t.false(far.network.send(a, {}), "nobody told it to dial");
  await Promise.all([near.network.close(), far.network.close()]);
});

test("three nodes are all connected to each other", async (t) => {
  const ids = [a, b, c];
  const nodes = await Promise.all(
    ids.map(async (id) => [id, await listen({ identity: identity(id) })] as const),
  );
  join(...nodes);
  for (const [, { network }] of nodes) {
    await until("it has two peers", () => ids.filter((id) => network.isConnected(id)).length === 2);
  }
  for (const [, { events }] of nodes)
    t.is(events.filter((e) => e.startsWith("connected")).length, 2);
  await Promise.all(nodes.map(([, { network }]) => network.close()));
});

test("the messages of one turn share a frame; too many bytes take several", async (t) => {
  const frames: unknown[][] = [];
  await using server = await BareServer.listen((socket) => {
    void welcome(socket, identity(b)).then((framed) =>
      framed.receive(({ head }) => {
        const { kind, head: payloads } = head as { kind: string; head: Uint8Array[] };
        if (kind === "message") frames.push(payloads.map((bytes) => unpack(bytes, "payload")));
      }),
    );
  });
  const { network } = await listen({ identity: identity(a) });
  await using _ = network;
  network.setPeers(new Map([[b, at(server.port)]]));
  await until("connected", () => network.isConnected(b));
  for (const n of [1, 2, 3]) network.send(b, n);
  await until("the first frame", () => frames.length > 0);
  network.send(b, 4);
  await until("the second frame", () => frames.length > 1);
  t.deepEqual(frames, [[1, 2, 3], [4]]);
  const large = "x".repeat(700_000);
  for (const _n of [1, 2]) network.send(b, large);
  await until("one frame each", () => frames.length > 3);
  t.deepEqual(frames.slice(2), [[large], [large]]);
});

test("raft messages to a peer that does not read are dropped at the limit", async (t) => {
  let held: FramedSocket | undefined;
  await using server = await BareServer.listen((socket) => {
    void welcome(socket, identity(b)).then((framed) => (held = framed));
  });
  const { network } = await listen({ identity: identity(a), limits: { raftQueueBytes: 100_000 } });
  await using _ = network;
  t.false(network.send(b, "not a peer"));
  network.setPeers(new Map([[b, at(server.port)]]));
  t.false(network.send(b, "not yet connected"));
  await until("connected", () => network.isConnected(b) && held !== undefined);
  const payload = "x".repeat(30_000);
  let sent = 0;
  while (network.send(b, payload)) sent += 1;
  t.is(sent, 3, "within one turn, too");
  for (let turns = 0; turns < 2_000; turns += 1) {
    await new Promise(setImmediate);
    if (network.send(b, payload)) sent += 1;
  }
  await new Promise(setImmediate);
  t.false(network.send(b, "x".repeat(100_000)));
  t.throws(() => network.send(b, "x".repeat(17 * 1024 * 1024)), { code: "TOO_LARGE" });
});

test("requests reach their lane's handler and bring back its answer or error", async (t) => {
  await using nodes = await pair({
    far: {
      request: async (from, lane, head, body) => {
        if (head === "who leads?") throw new IDunnoError("NOT_LEADER", { leader: "c" });
        return { head: { from, lane, head }, body: body.toReversed() };
      },
    },
  });
  const body = Uint8Array.of(1, 2, 3);
  for (const lane of ["control", "bulk"] as const) {
    const reply = await nodes.near.network.request(b, lane, { n: 1 }, { ...patience, body });
    t.deepEqual(reply, { head: { from: "a", lane, head: { n: 1 } }, body: body.toReversed() });
  }
  const failing = nodes.near.network.request(b, "control", "who leads?", patience);
  const error = await t.throwsAsync(failing, { code: "NOT_LEADER" });
  t.true(hasCode(error, "NOT_LEADER") && error.details.leader === "c");
});

test("each lane is a socket of its own, dialled once", async (t) => {
  const lanes: string[] = [];
  const far = identity(b);
  await using server = await BareServer.listen((socket) => {
    void (async () => {
      const framed = await welcome(socket, far, (hello) => lanes.push(hello.lane));
      framed.receive(({ head }) => {
        const { id } = head as { id?: number };
        if (id !== undefined) framed.write(encodeFrame({ kind: "reply", id, head: 0 }));
      });
    })();
  });
  const { network } = await listen({ identity: identity(a) });
  await using _ = network;
  network.setPeers(new Map([[b, at(server.port)]]));
  await until("connected", () => network.isConnected(b));
  t.deepEqual(lanes, ["raft"], "the others are dialled on demand");
  for (const lane of ["bulk", "control", "bulk", "control"] as const) {
    await Promise.all([1, 2].map((n) => network.request(b, lane, n, patience)));
  }
  t.deepEqual(lanes, ["raft", "bulk", "control"]);
  t.is(server.accepted, 3);
});

test("a bulk lane full of bodies that nobody takes delays neither messages nor control requests", async (t) => {
  let hanging = 0;
  await using nodes = await pair({
    far: {
      limits: { closeGraceMs: 50 },
      request: async (_from, lane, head) => {
        if (lane === "control") return { head };
        hanging += 1;
        return new Promise(() => undefined);
      },
    },
  });
  const { network } = nodes.near;
  const body = new Uint8Array(4 * 1024 * 1024);
  const stuck: Promise<unknown>[] = [];
  // The far side serves 32 at most, so that what comes after stays in the socket.
  for (let n = 0; n < 44; n += 1) {
    stuck.push(t.throwsAsync(network.request(b, "bulk", n, { timeoutMs: 60_000, body })));
    await until("it is being served", () => hanging === Math.min(n + 1, 32));
  }
  network.send(b, "heartbeat");
  t.is((await network.request(b, "control", "ok?", patience)).head, "ok?");
  await until("the message arrived", () => nodes.far.count('message a "heartbeat"') === 1);
  t.is(hanging, 32);
  await Promise.all([network.close(), nodes.far.network.close(), ...stuck]);
});

test("a peer that is unknown, dead or refuses us is UNREACHABLE", async (t) => {
  await using nodes = await pair();
  const { network } = nodes.near;
  const d = NodeId("d");
  await t.throwsAsync(network.request(d, "control", 0, patience), { code: "UNREACHABLE" });
  const gone = await BareServer.listen(() => undefined);
  const { port } = gone;
  await gone.close();
  network.setPeers(
    new Map([
      [c, at(port)],
      [d, at(nodes.far.network.port)],
    ]),
  );
  const dead = await t.throwsAsync(network.request(c, "control", 0, patience), {
    code: "UNREACHABLE",
  });
  t.regex(dead?.message ?? "", new RegExp(`c \\(127\\.0\\.0\\.1:${port}\\)`));
  const refused = await t.throwsAsync(network.request(d, "bulk", 0, patience), {
    code: "UNREACHABLE",
  });
  t.true(hasCode(refused?.cause, "HANDSHAKE_REFUSED"));
});

test("a request ends at its time-out, also while dialling, or by its signal", async (t) => {
  await using mute = await BareServer.listen(() => undefined);
  await using nodes = await pair({
    far: { request: () => new Promise(() => undefined), limits: { closeGraceMs: 50 } },
  });
  const { network } = nodes.near;
  await t.throwsAsync(network.request(b, "control", 0, { timeoutMs: 10 }), { code: "TIMED_OUT" });
  const abort = new AbortController();
  const asked = network.request(b, "control", 0, { ...patience, signal: abort.signal });
  abort.abort();
  await t.throwsAsync(asked, { code: "CLOSED" });
  network.setPeers(new Map([[c, at(mute.port)]]));
  await t.throwsAsync(network.request(c, "control", 0, { timeoutMs: 10 }), { code: "TIMED_OUT" });
});

test("a request whose peer goes away is UNREACHABLE; the next one dials anew", async (t) => {
  const requests: string[] = [];
  const request: NetOptions["request"] = async (_from, _lane, head) => {
    requests.push(String(head));
    if (head === "hang") return new Promise(() => undefined);
    return { head };
  };
  await using nodes = await pair({ far: { request, limits: { closeGraceMs: 50 } } });
  const hanging = nodes.near.network.request(b, "control", "hang", patience);
  await until("it is served", () => requests.length === 1);
  const { port } = nodes.far.network;
  await Promise.all([t.throwsAsync(hanging, { code: "UNREACHABLE" }), nodes.far.network.close()]);
  const { network } = await listen({ identity: identity(b), port, request });
  await using _ = network;
  t.is((await nodes.near.network.request(b, "control", "again", patience)).head, "again");
});

test("peers that are no longer set are hung up on, and a new address is dialled", async (t) => {
  await using nodes = await pair();
  const { near, far } = nodes;
  near.network.setPeers(new Map());
  t.false(near.network.isConnected(b));
  t.false(near.network.send(b, 1));
  await t.throwsAsync(near.network.request(b, "control", 1, patience), { code: "UNREACHABLE" });
  const moved = await listen({ identity: identity(c) });
  await using _ = moved.network;
  near.network.setPeers(new Map([[b, at(moved.network.port)]]));
  await until("the wrong address is noticed", () => near.troubles.length > 0);
  near.network.setPeers(new Map([[b, at(far.network.port)]]));
  await until("connected again", () => near.network.isConnected(b));
  t.is(near.count("disconnected"), 0, "what we hang up ourselves is no news");
});

test("a malformed raft message costs its connection, not the process", async (t) => {
  const { network, troubles } = await listen({ identity: identity(b) });
  await using _ = network;
  const self = { ...identity(a), damaged: false };
  const signal = new AbortController().signal;
  const dialled = await dial(at(network.port), greet(self, b, "raft"), {
    timeoutMs: 10_000,
    signal,
  });
  if (dialled.kind !== "up") return t.fail(dialled.error.message);
  dialled.framed.write(encodeFrame({ kind: "message", head: [Uint8Array.of(0x92)] }));
  dialled.framed.receive(() => undefined);
  await dialled.framed.closed;
  await until("it is told", () => troubles.length > 0);
  t.true(hasCode(troubles[0]?.error, "MALFORMED"));
});

test("after close nothing is asked, sent or dialled", async (t) => {
  await using nodes = await pair();
  const { network } = nodes.near;
  await Promise.all([network.close(), network.close()]);
  t.false(network.send(b, 1));
  network.setPeers(new Map([[c, at(nodes.far.network.port)]]));
  await t.throwsAsync(network.request(b, "control", 1, patience), { code: "CLOSED" });
  t.is(nodes.near.count("disconnected"), 0);
});
