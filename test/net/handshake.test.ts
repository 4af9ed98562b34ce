/** Who may talk to whom: everything that does not fit is refused, with the reason on both sides. */
import { once } from "node:events";
import { connect } from "node:net";
import test from "ava";
import { hasCode } from "../../src/lib/errors.ts";
import { NodeId } from "../../src/lib/types.ts";
import { encodeFrame, FrameDecoder } from "../../src/net/frame.ts";
import { until } from "../until.ts";
import { a, at, b, c, type Identity, identity, join, listen } from "./support.ts";

const misfits: readonly (readonly [string, Partial<Identity>, RegExp])[] = [
  ["another cluster", { cluster: "other" }, /belongs to another cluster/],
  ["another generation", { generation: 1 }, /generation 0, a has 1/],
  ["the callee's own name", { node: b }, /another process is b already/],
];

for (const [title, changes, why] of misfits) {
  test(`a node of ${title} is refused, and both sides learn why`, async (t) => {
    await using scope = await pair(changes);
    const [caller, callee] = scope.both;
    caller.network.setPeers(
      new Map([
        [b, at(callee.network.port)],
        [c, at(callee.network.port)],
      ]),
    );
    await until("both know", () => callee.troubles.length > 0 && caller.troubles.length > 0);
    for (const { error } of [...caller.troubles, ...callee.troubles]) {
      t.true(hasCode(error, "HANDSHAKE_REFUSED"));
    }
    t.true(callee.troubles.some(({ error }) => why.test(error.message)));
    t.true(caller.troubles.some(({ error }) => why.test(error.message)));
    t.deepEqual([...caller.events, ...callee.events], []);
  });
}

async function pair(changes: Partial<Identity>) {
  const caller = await listen({ identity: identity(a, changes) });
  const callee = await listen({ identity: identity(b) });
  return {
    both: [caller, callee] as const,
    async [Symbol.asyncDispose]() {
      await Promise.all([caller.network.close(), callee.network.close()]);
    },
  };
}

test("a node reached under another's name is refused", async (t) => {
  await using scope = await pair({});
  const [caller, callee] = scope.both;
  caller.network.setPeers(new Map([[c, at(callee.network.port)]]));
  await until("the caller knows", () => caller.troubles.length > 0);
  t.regex(caller.troubles[0]?.error.message ?? "", /this is b, not c/);
  t.false(caller.network.isConnected(c));
});

test("a node that dials itself under another name notices by the boot id", async (t) => {
  const { network, troubles, events } = await listen({ identity: identity(a) });
  await using _ = network;
  network.setPeers(new Map([[b, at(network.port)]]));
  await until("the dial failed", () => troubles.some(({ peer }) => peer === b));
  t.true(troubles.every(({ error }) => /this very process/.test(error.message)));
  t.deepEqual(events, []);
});

test("a node does not dial the entry of its own name", async (t) => {
  await using scope = await pair({});
  const [caller, callee] = scope.both;
  join([a, caller], [b, callee]);
  await until("they are connected", () => caller.network.isConnected(b));
  t.false(caller.network.isConnected(a));
  t.deepEqual(caller.troubles, []);
});

test("the admit hook decides on hellos that fit, and sees the damage they tell of", async (t) => {
  const damaged = new Map<string, boolean>();
  const callee = await listen({
    identity: identity(b),
    admit: (hello) => {
      damaged.set(hello.node, hello.damaged);
      return hello.incarnation === "i-a" ? undefined : `${hello.node} was wiped: join it anew`;
    },
  });
  const wiped = await listen({ identity: identity(c, { incarnation: "new" }) });
  const member = await listen({ identity: identity(a), damaged: () => true });
  await using _1 = callee.network;
  await using _2 = wiped.network;
  await using _3 = member.network;
  wiped.network.setPeers(new Map([[b, at(callee.network.port)]]));
  await until("the wiped node was refused", () => wiped.troubles.length > 0);
  t.regex(wiped.troubles[0]?.error.message ?? "", /was wiped/);
  member.network.setPeers(new Map([[b, at(callee.network.port)]]));
  await until("the member is connected", () => member.network.isConnected(b));
  t.deepEqual(
    [...damaged],
    [
      [c, false],
      [a, true],
    ],
  );
});

/** Says `head` to a network as a stranger, and returns the first frame that comes back, if any. */
async function say(port: number, bytes: Uint8Array): Promise<unknown> {
  const socket = connect({ host: "127.0.0.1", port });
  const decoder = new FrameDecoder();
  socket.on("data", (data: Uint8Array) => decoder.push(data));
  socket.on("error", () => undefined); // a reset is as good as an end
  socket.write(bytes);
  await once(socket, "close");
  return decoder.next()?.head;
}

const wellFormed = { ...identity(NodeId("x")), damaged: false, to: b, lane: "raft" };
const strangers: readonly (readonly [string, Uint8Array, RegExp | undefined])[] = [
  ["of another protocol", frame({ kind: "hello", hello: { protocol: 2, news: [] } }), /protocol 2/],
  [
    "with a missing field",
    frame({ kind: "hello", hello: { protocol: 1, ...wellFormed, to: undefined } }),
    /hello.*to/,
  ],
  [
    "with a bad name",
    frame({ kind: "hello", hello: { ...wellFormed, protocol: 1, node: "A B" } }),
    /hello.*node/,
  ],
  ["that starts with something else", frame({ kind: "request", id: 1, head: 1 }), /handshake/],
  ["that speaks HTTP", Buffer.from("GET / HTTP/1.1\r\nhost: b\r\n\r\n"), undefined],
  ["with a head above a stranger's limit", frame("x".repeat(5_000)), undefined],
  ["with a body", Buffer.concat(encodeFrame(1, new Uint8Array(10))), undefined],
];

function frame(head: unknown): Uint8Array {
  return Buffer.concat(encodeFrame(head));
}

for (const [title, bytes, answer] of strangers) {
  test(`a stranger ${title} is hung up on and learns nothing of the peer`, async (t) => {
    const { network, events, troubles } = await listen({ identity: identity(b) });
    await using _ = network;
    const reply = await say(network.port, bytes);
    if (answer === undefined) t.is(reply, undefined);
    else t.regex((reply as { why: string }).why, answer);
    t.is(troubles.length, 1);
    t.deepEqual(events, []);
  });
}

test("a stranger that says nothing is hung up on", async (t) => {
  const { network } = await listen({
    identity: identity(b),
    limits: { handshakeTimeoutMs: 50 },
  });
  await using _ = network;
  t.is(await say(network.port, new Uint8Array()), undefined);
});

test("strangers are bounded: one too many is hung up on at once", async (t) => {
  const { network } = await listen({
    identity: identity(b),
    limits: { handshakeTimeoutMs: 3_600_000, strangers: 2 },
  });
  const three = [1, 2, 3].map(() => say(network.port, new Uint8Array()));
  await Promise.race(three);
  t.pass("one has been closed, long before any time-out");
  await network.close();
  await Promise.all(three);
});

test("a listener on a taken port is told so", async (t) => {
  const { network } = await listen({ identity: identity(a) });
  await using _ = network;
  const error = await t.throwsAsync(listen({ identity: identity(b), port: network.port }), {
    code: "PORT_IN_USE",
  });
  t.true(error?.message.includes(String(network.port)));
});
