/**
 * A follower that was away for longer than the log reaches back returns by snapshot while the others go on, and its
 * process is killed twice in the middle of the transfer: it must go on where it was, and lack nothing in the end.
 *
 *   npm run soak:snapshot -- [--entries 200000]
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { IDunnoClient } from "../../src/client/client.ts";
import { DevCluster } from "../../src/cli/dev/cluster.ts";
import { asIDunnoError } from "../../src/lib/errors.ts";
import { LogTime, NodeId } from "../../src/lib/types.ts";
import { encodeCommand } from "../../src/machine/codec.ts";
import { Connection } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { greet } from "../../src/net/handshake.ts";
import { defaultLimits } from "../../src/net/limits.ts";
import { parseOutcome } from "../../src/node/control.ts";
import { parsed, wholeNumber } from "../arguments.ts";

const usage = "usage: npm run soak:snapshot -- [--entries N]";
const values = parsed({ entries: { type: "string", default: "200000" } }, usage);
const entries = wholeNumber({ name: "entries", value: values.entries, least: 1 }, usage);
/** Commands under way while the follower is away, and while it returns. */
const busy = 64;
const calm = 8;

class Load {
  readonly #connection: Connection;
  #inFlight = busy;
  #stopped = false;
  /** Entries proposed; when the load has stopped, all of them are committed. */
  begun = 0;
  failure: Error | undefined;
  readonly ended: Promise<unknown>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.ended = Promise.all(
      Array.from({ length: busy }, async (_, worker) => this.#run(worker)),
    ).catch((error: unknown) => {
      this.failure = asIDunnoError(error);
    });
  }

  async #run(worker: number): Promise<void> {
    while (!this.#stopped) {
      if (worker >= this.#inFlight) {
        await sleep(20);
        continue;
      }
      this.begun += 1;
      const n = this.begun;
      const operation = {
        kind: "commit-files",
        files: [{ path: pathOf(n), bytes: 0, chunks: [] }],
      } as const;
      const body = encodeCommand({
        v: 1,
        at: LogTime(0),
        key: undefined,
        operation: operation as never,
      });
      const reply = await this.#connection.request({ kind: "propose" }, body, {
        timeoutMs: 30_000,
      });
      const outcome = parseOutcome(reply.head);
      if (outcome.kind !== "ok") throw new Error(`refused: ${outcome.code}`);
    }
  }

  relax(): void {
    this.#inFlight = calm;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.ended;
    if (this.failure !== undefined) throw this.failure;
  }
}

function pathOf(n: number): string {
  return `away/${String(n % 100).padStart(2, "0")}/${"x".repeat(60)}/${n}`;
}

async function connect(client: IDunnoClient): Promise<Connection> {
  const status = await client.status();
  const leader = status.members.find(({ node }) => node === status.leader);
  const [host = "", port = ""] = leader?.peerAddress.split(":") ?? [];
  const id = randomBytes(6).toString("hex");
  const { cluster, generation } = status;
  const self = { cluster, generation, node: NodeId(`load-${id}`), incarnation: id, boot: id };
  const mine = greet({ ...self, damaged: false }, NodeId(status.leader ?? ""), "control");
  const dialled = await dial({ host, port: Number(port) }, mine, {
    timeoutMs: defaultLimits.handshakeTimeoutMs,
    signal: new AbortController().signal,
  });
  if (dialled.kind !== "up") throw dialled.error;
  const { requestQueueBytes: queueBytes, closeGraceMs } = defaultLimits;
  const options = { name: "the load", queueBytes, served: 1, closeGraceMs };
  return new Connection(dialled.framed, options, {});
}

async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-away-"));
  const up = await DevCluster.up({ directory, nodes: 3, slots: 1, basePort: 0, readyMs: 90_000 });
  try {
    const client = new IDunnoClient({ nodes: up.endpoints, timeoutMs: 60_000 });
    const { leader = "" } = await client.status();
    const away = up.nodes.find(({ name }) => name !== leader)?.name ?? "";
    await up.kill(away, "SIGKILL");
    const load = new Load(await connect(client));
    const begunMs = performance.now();
    while (load.begun < entries) {
      if (load.failure !== undefined) throw load.failure;
      await sleep(5_000);
      say(`${load.begun} entries after ${seconds(begunMs)} s`);
    }
    load.relax();
    const returnedMs = performance.now();
    const events = async (event: string): Promise<number> => {
      const log = await readFile(join(directory, away, "daemon.log"), "utf8");
      return log.split(`"msg":"${event}"`).length - 1;
    };
    const interrupted = async (event: string, count: number): Promise<void> => {
      // It is not ready before it has the snapshot, which is what is waited for below.
      void up.restart(away).catch(() => undefined);
      const endMs = performance.now() + 120_000;
      while ((await events(event)) < count) {
        if (performance.now() > endMs) throw new Error(`no ${event} within two minutes`);
        await sleep(20);
      }
      // Some chunks in: what was received is what must not be asked for again.
      await sleep(700);
      say(`${event}, ${seconds(returnedMs)} s after the return: killed`);
      await up.kill(away, "SIGKILL");
      await sleep(500);
    };
    await interrupted("snapshot-started", 1);
    await interrupted("snapshot-resumed", 1);
    await up.restart(away);
    say(`ready ${seconds(returnedMs)} s after the return`);
    const counts = {
      started: await events("snapshot-started"),
      resumed: await events("snapshot-resumed"),
      installed: await events("snapshot-installed"),
    };
    await load.stop();
    const address = up.nodes.find(({ name }) => name === away)?.httpAddress ?? "";
    const own = new IDunnoClient({ nodes: [address], timeoutMs: 60_000 });
    for (let i = 1; i <= 1_000; i += 1) {
      const path = pathOf(1 + Math.floor((i * (load.begun - 1)) / 1_000));
      if ((await own.stat(path)).path !== path) throw new Error(`${path} is not there`);
    }
    const passed = counts.started === 1 && counts.resumed >= 2 && counts.installed === 1;
    say(
      JSON.stringify({
        entries: load.begun,
        away,
        ...counts,
        seconds: seconds(returnedMs),
        passed,
      }),
    );
    if (!passed) process.exitCode = 1;
  } finally {
    await up.down({ stopMs: 5_000, wipe: true });
    await rm(directory, { recursive: true, force: true });
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function seconds(sinceMs: number): number {
  return Math.round((performance.now() - sinceMs) / 100) / 10;
}

await run();
