/**
 * The same files in the object store of NATS JetStream, three servers, three replicas: the store that a Node program would
 * take otherwise. What it acknowledges is in the memory of a majority; it syncs files every two minutes unless told
 * otherwise, so its puts promise less than ours.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { hasCode, IDunnoError } from "../../src/lib/errors.ts";
import { type BenchContext, until } from "../bench.ts";
import { freePorts } from "../ports.ts";
import { type Figures, figure } from "../report.ts";
import { median } from "../statistics.ts";
import { MB, refill, timed } from "./content.ts";
import { NatsConnection } from "./nats-connection.ts";
import { endAll } from "../children.ts";

const servers = 3;
/** What NATS's own clients cut objects into. */
const messageBytes = 128 * 1024;
/** Messages without an acknowledgement at once: 8 MiB. */
const window = 64;
const readyMs = 60_000;
/** A get that takes longer hangs: 500 MB at 4 MB/s. */
const getMs = 120_000;
/** Debian's place for it is not on everybody's PATH. */
const programs = ["nats-server", "/usr/sbin/nats-server"];

async function version(): Promise<{ readonly program: string; readonly text: string } | undefined> {
  for (const program of programs)
    try {
      const { stdout } = await promisify(execFile)(program, ["--version"]);
      return { program, text: stdout.trim() };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  return undefined;
}

/** Puts and gets of so many megabytes; nothing when there is no NATS. */
export async function nats(
  context: BenchContext,
  { megabytes, rounds }: { readonly megabytes: number; readonly rounds: number },
): Promise<Figures> {
  const { say, signal } = context;
  const found = await version();
  if (found === undefined) {
    say(
      "nats-server is not here, so it is not measured beside. Debian: apt-get install nats-server",
    );
    return {};
  }
  await using cluster = await NatsCluster.up(found.program, signal);
  await using connection = await NatsConnection.open(cluster.ports[0] ?? 0);
  await createBucket(connection, signal);
  const bytes = new Uint8Array(megabytes * MB);
  const [puts, gets]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    refill(bytes);
    const id = randomBytes(8).toString("hex");
    puts.push(await timed(async () => put(connection, id, bytes)));
    gets.push(await timed(async () => get(connection, id, bytes)));
  }
  const rate = (ms: number): number => (megabytes * 1_000) / ms;
  const [putRate, getRate] = [rate(median(puts)), rate(median(gets))];
  say(
    `${found.text}, JetStream object store, 3 replicas, acknowledged before it is synced: ${megabytes} MB put at ${putRate.toFixed(1)} MB/s, got and hashed at ${getRate.toFixed(1)} MB/s`,
  );
  return {
    [`nats.put${megabytes}MB.MBps`]: figure(putRate, "MB/s"),
    [`nats.get${megabytes}MB.MBps`]: figure(getRate, "MB/s"),
  };
}

async function createBucket(connection: NatsConnection, signal: AbortSignal): Promise<void> {
  const stream = {
    name: "OBJ_bench",
    subjects: ["$O.bench.C.>", "$O.bench.M.>"],
    discard: "new",
    allow_rollup_hdrs: true,
    storage: "file",
    num_replicas: servers,
  };
  // The servers have to find each other and elect first.
  await until({ what: "JetStream", withinMs: readyMs, everyMs: 200, signal }, async () => {
    try {
      const options = { withinMs: 2_000 };
      const create = "$JS.API.STREAM.CREATE.OBJ_bench";
      return await connection.request(create, JSON.stringify(stream), options);
    } catch (error) {
      // Refused, or not answered at all while nobody leads. Created twice it is the same stream.
      if (hasCode(error, "INTERNAL") || hasCode(error, "TIMED_OUT")) return undefined;
      throw error;
    }
  });
}

async function put(connection: NatsConnection, id: string, bytes: Uint8Array): Promise<void> {
  const acknowledged: Promise<unknown>[] = [];
  const digest = createHash("sha256");
  for (let at = 0; at < bytes.length; at += messageBytes) {
    const message = bytes.subarray(at, at + messageBytes);
    digest.update(message);
    acknowledged.push(connection.request(`$O.bench.C.${id}`, message));
    await acknowledged[acknowledged.length - window];
  }
  await Promise.all(acknowledged);
  const meta = JSON.stringify({ name: id, nuid: id, digest: digest.digest("base64url") });
  const rollup = "NATS/1.0\r\nNats-Rollup: sub\r\n\r\n";
  const subject = `$O.bench.M.${Buffer.from(id).toString("base64url")}`;
  await connection.request(subject, meta, { headers: rollup });
}

/** Through a push consumer with flow control, as its clients do; hashed as they do. */
async function get(connection: NatsConnection, id: string, bytes: Uint8Array): Promise<void> {
  const digest = createHash("sha256");
  let received = 0;
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    const late = new IDunnoError("TIMED_OUT", { what: "a get from NATS", afterMs: getMs });
    timer = setTimeout(() => reject(late), getMs);
    const deliver_subject = connection.deliverTo(({ headers, payload, reply }) => {
      if (headers.startsWith("NATS/1.0 100")) {
        if (reply !== undefined) connection.publish(reply, "");
        return;
      }
      digest.update(payload);
      received += payload.length;
      if (received >= bytes.length) resolve();
    });
    const config = {
      deliver_subject,
      deliver_policy: "all",
      ack_policy: "none",
      max_deliver: 1,
      filter_subject: `$O.bench.C.${id}`,
      flow_control: true,
      idle_heartbeat: 5_000_000_000,
      num_replicas: 1,
      mem_storage: true,
    };
    const request = JSON.stringify({ stream_name: "OBJ_bench", config });
    connection.request("$JS.API.CONSUMER.CREATE.OBJ_bench", request).catch(reject);
  });
  clearTimeout(timer);
  const expected = createHash("sha256").update(bytes).digest("hex");
  if (received !== bytes.length || digest.digest("hex") !== expected)
    throw new IDunnoError("INTERNAL", { message: "NATS gave other bytes than were put" });
}

class NatsCluster implements AsyncDisposable {
  readonly ports: readonly number[];
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];

  private constructor(directory: string, ports: readonly number[]) {
    this.#directory = directory;
    this.ports = ports;
  }

  static async up(program: string, signal: AbortSignal): Promise<NatsCluster> {
    const directory = await mkdtemp(join(tmpdir(), "idunno-bench-nats-"));
    const all = await freePorts(2 * servers);
    const cluster = new NatsCluster(directory, all.slice(0, servers));
    try {
      await cluster.#start(program, all.slice(servers));
      for (const port of cluster.ports) await cluster.#listening(port, signal);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(program: string, routePorts: readonly number[]): Promise<void> {
    const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`).join(", ");
    for (const [n, port] of this.ports.entries()) {
      const config = join(this.#directory, `s${n}.conf`);
      const text = `
        server_name: s${n}
        listen: 127.0.0.1:${port}
        jetstream { store_dir: "${join(this.#directory, `s${n}`)}" }
        cluster { name: bench, listen: 127.0.0.1:${routePorts[n]}, routes: [${routes}] }`;
      await writeFile(config, text);
      const log = join(this.#directory, `s${n}.log`);
      this.#children.push(spawn(program, ["-c", config, "-l", log], { stdio: "ignore" }));
    }
  }

  async #listening(port: number, signal: AbortSignal): Promise<void> {
    await until({ what: "nats-server", withinMs: readyMs, everyMs: 50, signal }, async () => {
      try {
        await using connection = await NatsConnection.open(port);
        return connection;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return undefined;
        throw error;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endAll(this.#children);
    await rm(this.#directory, { recursive: true, force: true });
  }
}
