/**
 * The hints of design section 9: a process that died is told from one that merely hung up, and a new life of a node
 * from the old one. Real processes, real SIGKILL.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import test from "ava";
import { hasCode } from "../../src/lib/errors.ts";
import { dial } from "../../src/net/dial.ts";
import { greet } from "../../src/net/handshake.ts";
import { until } from "../until.ts";
import { a, at, b, BareServer, identity, join, listen, welcome } from "./support.ts";

const childFile = fileURLToPath(new URL("./peer-child.js", import.meta.url));

interface Child {
  readonly process: ChildProcess;
  readonly port: number;
}

async function start(options: {
  boot: string;
  port: number;
  peer?: number;
  endAfterConnect?: boolean;
}): Promise<Child> {
  const process = fork(childFile, [JSON.stringify(options)], { execArgv: [] });
  const [port] = (await once(process, "message")) as [number];
  return { process, port };
}

async function kill({ process }: Child): Promise<void> {
  const exited = once(process, "exit");
  process.kill("SIGKILL");
  await exited;
}

test("a killed process is told as refused, once, and its next life by its boot id", async (t) => {
  const { network, events, count } = await listen({ identity: identity(a) });
  await using _ = network;
  const first = await start({ boot: "life-1", port: 0 });
  network.setPeers(new Map([[b, at(first.port)]]));
  await until("connected", () => count("connected") === 1);
  await kill(first);
  await until("the death is noticed", () => count("refused") === 1);
  t.false(network.isConnected(b));
  const second = await start({ boot: "life-2", port: first.port });
  await until("the next life is noticed", () => count("connected") === 2);
  t.deepEqual(events, [
    "connected b life-1",
    "disconnected b",
    "refused b",
    "rebooted b life-2",
    "connected b life-2",
  ]);
  await kill(second);
  await until("the second death is noticed as well", () => count("refused") === 2);
});

test("a peer that hangs up but lives is not called dead", async (t) => {
  let shakes = 0;
  // Answers the first hello only, then closes whatever is dialled, well past the 200 ms of the window.
  await using server = await BareServer.listen((socket) => {
    shakes += 1;
    if (shakes > 1) socket.resetAndDestroy();
    else void welcome(socket, identity(b)).then((framed) => framed.end());
  });
  const { network, events, count } = await listen({ identity: identity(a) });
  await using _ = network;
  network.setPeers(new Map([[b, at(server.port)]]));
  await until("it hung up", () => count("disconnected") === 1);
  await until("it was dialled again and again", () => shakes > 20);
  t.is(count("refused"), 0);
  t.is(events.length, 2);
});

test("a refused dial long after the connection closed says nothing", async (t) => {
  let shakes = 0;
  const server = await BareServer.listen((socket) => {
    shakes += 1;
    if (shakes > 1) socket.destroy();
    else void welcome(socket, identity(b)).then((framed) => framed.end());
  });
  const { network, troubles, count } = await listen({
    identity: identity(a),
    limits: { hintWindowMs: 20 },
  });
  await using _ = network;
  network.setPeers(new Map([[b, at(server.port)]]));
  // More dials than the window has room for.
  await until("the window has passed", () => shakes > 6);
  await server.close();
  await until("a dial was refused", () =>
    troubles.some(({ error }) => hasCode(error, "UNREACHABLE")),
  );
  t.is(count("disconnected"), 1);
  t.is(count("refused"), 0);
});

test("a refused dial to a peer that was never connected says nothing", async (t) => {
  const { port, ...server } = await freePort();
  await server.close();
  const { network, troubles, count } = await listen({ identity: identity(a) });
  await using _1 = network;
  network.setPeers(new Map([[b, at(port)]]));
  await until("a dial was refused", () =>
    troubles.some(({ error }) => hasCode(error, "UNREACHABLE")),
  );
  const later = await listen({ identity: identity(b), port });
  await using _2 = later.network;
  await until("it is dialled until it comes", () => network.isConnected(b));
  t.is(count("refused"), 0);
  t.is(count("rebooted"), 0);
});

async function freePort(): Promise<{ port: number; close: () => Promise<void> }> {
  const server = await BareServer.listen(() => undefined);
  return { port: server.port, close: () => server.close() };
}

test("a new life is noticed from whichever side the handshake comes", async (t) => {
  const near = await listen({ identity: identity(a) });
  await using _1 = near.network;
  for (const boot of ["one", "two", "two"]) {
    const far = await listen({ identity: identity(b, { boot }) });
    far.network.setPeers(new Map([[a, at(near.network.port)]]));
    await until("it has dialled us", () => far.network.isConnected(a));
    await far.network.close();
  }
  t.deepEqual(near.events, ["rebooted b two"]);
});

test("a new life ends the lanes of the old one, and what was asked over them", async (t) => {
  const near = await listen({ identity: identity(a), limits: { closeGraceMs: 50 } });
  let asked = 0;
  const old = await listen({
    identity: identity(b, { boot: "old" }),
    limits: { closeGraceMs: 50 },
    request: () => {
      asked += 1;
      return new Promise(() => undefined);
    },
  });
  await using _1 = near.network;
  await using _2 = old.network;
  join([a, near], [b, old]);
  await until("connected", () => near.network.isConnected(b) && old.network.isConnected(a));
  const lost = near.network.request(b, "control", "?", { timeoutMs: 10_000 });
  await until("it is asked", () => asked === 1);
  old.network.setPeers(new Map());
  const next = await listen({ identity: identity(b, { boot: "new" }) });
  await using _3 = next.network;
  next.network.setPeers(new Map([[a, at(near.network.port)]]));
  await t.throwsAsync(lost, { code: "UNREACHABLE" });
  // More than once, if the old process, which still listens, is dialled again: here, two call themselves by one name.
  await until("its raft lane closed", () => near.count("disconnected") > 0);
  t.true(near.events.indexOf("rebooted b new") < near.events.indexOf("disconnected b"));
});

test("a new life ends what the old one dialled", async (t) => {
  const { network, events } = await listen({ identity: identity(a) });
  await using _1 = network;
  const old = { ...identity(b, { boot: "old" }), damaged: false };
  const { signal } = new AbortController();
  const options = { timeoutMs: 10_000, signal };
  const dialled = await dial(at(network.port), greet(old, a, "control"), options);
  if (dialled.kind !== "up") return t.fail(dialled.error.message);
  dialled.framed.receive(() => undefined);
  const next = await listen({ identity: identity(b, { boot: "new" }) });
  await using _2 = next.network;
  next.network.setPeers(new Map([[a, at(network.port)]]));
  await dialled.framed.closed;
  t.deepEqual(events, ["rebooted b new"]);
});

test("a peer gone silent is hung up on and dialled anew, but not called dead", async (t) => {
  const server = await BareServer.listen((socket) => {
    void welcome(socket, identity(b, { boot: "mute" })); // and never reads again
  });
  await using _1 = server;
  const { network, count, troubles } = await listen({
    identity: identity(a),
    limits: { pingMs: 5, raftSilenceMs: 40 },
  });
  await using _2 = network;
  network.setPeers(new Map([[b, at(server.port)]]));
  await until("dialled anew", () => count("connected") >= 2);
  t.true(hasCode(troubles[0]?.error, "TIMED_OUT"));
  t.is(count("refused"), 0);
});

test("a closed network leaves no handle: its process ends by itself", async (t) => {
  const near = await listen({ identity: identity(a) });
  await using _ = near.network;
  const child = await start({
    boot: "short",
    port: 0,
    peer: near.network.port,
    endAfterConnect: true,
  });
  near.network.setPeers(new Map([[b, at(child.port)]]));
  const left = once(child.process, "message");
  const exited = once(child.process, "exit");
  t.deepEqual(await left, [[], undefined]);
  t.deepEqual(await exited, [0, null]);
});
