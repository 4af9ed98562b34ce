/**
 * The composition root: opens what a node consists of, joins it, and closes it in reverse order. The only place that
 * knows everybody; whoever reads it sees the whole daemon.
 */
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { IDunnoError } from "../lib/errors.ts";
import { Scope } from "../lib/scope.ts";
import { LogIndex, NodeId, StoreId, Term } from "../lib/types.ts";
import { Executor } from "../inference/executor.ts";
import type { RegisterMember } from "../machine/commands.ts";
import { Machine } from "../machine/machine.ts";
import { PeerNetwork } from "../net/peers.ts";
import { Raft } from "../raft/core.ts";
import { defaultLimits, defaultTimings } from "../raft/types.ts";
import { ChunkCache } from "../sdfs/chunks/chunk-cache.ts";
import { ChunkStore } from "../sdfs/chunks/chunk-store.ts";
import { startHttp } from "./http/server.ts";
import { type Logger, openLog } from "./log.ts";
import { LogClock } from "./log-clock.ts";
import { Node } from "./node.ts";
import { establishIdentity, type Founder } from "./stores/identity.ts";
import { openDatabase } from "./stores/level.ts";
import { recoverLog } from "./stores/log-recovery.ts";
import { LogStore } from "./stores/log-store.ts";
import { MarkFile } from "./stores/mark.ts";
import { StateStore } from "./stores/state-store.ts";

/** The version that status shows. */
export const version = "0.1.0";

/** Chunks fetched for inference but not kept as replicas, in bytes. */
const cacheBytes = 2 * 1024 ** 3;

export interface NodeOptions {
  /** `[a-z0-9][a-z0-9-]{0,31}`, unique in the cluster. */
  readonly name: string;
  readonly dataDirectory: string;
  /** Where peers connect, and where HTTP is served. Port 0 takes any free one for HTTP. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly http: { readonly host: string; readonly port: number };
  /** All founding nodes, this one included; undefined when the directory has been in use before. */
  readonly bootstrap: readonly Founder[] | undefined;
  /** Inference threads; undefined: one per processor. 0: none, this node only stores. */
  readonly slots: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** The host under which others reach this node; undefined: `listen.host`. */
  readonly advertise?: string | undefined;
  /** Where to log; undefined: standard error. */
  readonly logFile?: string | undefined;
}

export interface RunningNode {
  readonly httpPort: number;
  readonly peerPort: number;
  /** Leaves in order: stops serving, finishes what is being written. Idempotent. */
  close(): Promise<void>;
  /** Resolves when the node has closed; rejects with the reason when it had to stop by itself. */
  readonly stopped: Promise<void>;
}

/**
 * Starts a node.
 * @throws IDunnoError DIRECTORY_IN_USE, WRONG_DIRECTORY, PORT_IN_USE, CORRUPT
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  await mkdir(options.dataDirectory, { recursive: true });
  const log = openLog(options.name, options.logFile);
  const stop = new Stop(log);
  const scope = new Scope();
  try {
    return await open(options, log, scope, stop);
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    log.error("start-failed", { error: String(error) });
    log.flush();
    throw error;
  }
}

/** How the node came to an end: asked to, or because it could not go on. */
class Stop {
  readonly #log: Logger;
  readonly promise: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  failed = false;

  constructor(log: Logger) {
    this.#log = log;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever started the node awaits it; until then a failure must not count as unhandled.
    this.promise.catch(() => undefined);
  }

  /** The disk failed or an invariant broke: no answer may leave this process any more. */
  readonly fatal = (error: unknown): void => {
    this.failed = true;
    this.#log.error("fatal", {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    this.#log.flush();
    this.#reject(error);
  };

  done(): void {
    this.#resolve();
  }
}

async function open(
  options: NodeOptions,
  log: Logger,
  scope: Scope,
  stop: Stop,
): Promise<RunningNode> {
  const { dataDirectory: directory } = options;
  const identity = await establishIdentity(directory, options.name, options.bootstrap);
  const founders = identity.founders;
  const self = NodeId(identity.node);
  const boot = randomBytes(8).toString("hex");
  const clock = { now: () => performance.now() };
  let node: Node | undefined;

  // The log first: its lock is what keeps a second process out.
  const logDatabase = await openDatabase(join(directory, "raft"));
  const mark = await MarkFile.open(directory);
  const recovered = await recoverLog(logDatabase, mark.last);
  const logStore = new LogStore(logDatabase, mark, recovered);
  scope.defer(async () => logStore.close());
  logStore.onFailure(stop.fatal);
  const damaged = recovered.damage.length > 0;
  if (damaged) {
    log.error("log-damaged", { damage: recovered.damage, keptTo: recovered.lastIndex });
    if (founders.length === 1)
      throw new IDunnoError("CORRUPT", {
        file: join(directory, "raft"),
        at: recovered.damage.join("; "),
        remedy:
          "this node is the only voter, so nobody can refill it: restore the directory from a copy",
      });
  } else if (mark.last === undefined) await logStore.remark();

  const state = StateStore.open(await openDatabase(join(directory, "state")), stop.fatal);
  scope.defer(async () => state.close());
  const machine = new Machine({ cold: state });
  for await (const [key, value] of state.everything())
    if (Machine.isHot(key)) machine.loadRow(key, value);
  const logClock = new LogClock(clock, machine.logTime, Date.now());

  const chunkStore = await ChunkStore.open(join(directory, "chunks"), {
    ioSlots: ioSlots(),
    onDamage: (hash) => node?.onDamage(hash),
  });
  scope.defer(async () => chunkStore.close());
  const cache = await ChunkCache.open(join(directory, "cache"), {
    maxBytes: cacheBytes,
    io: chunkStore.io,
  });
  scope.defer(async () => cache.close());

  const raft = new Raft(
    {
      id: self,
      configuration: {
        voters: founders.map(({ name }) => NodeId(name)),
        outgoing: [],
        learners: [],
      },
      timings: defaultTimings,
      limits: defaultLimits,
      seed: randomBytes(4).readInt32BE(0),
      now: clock.now(),
      hardState: recovered.hardState,
      base: { index: LogIndex(0), term: Term(0) },
      lastIndex: recovered.lastIndex,
      lastTerm: recovered.lastTerm,
      appliedIndex: LogIndex(Math.min(state.appliedIndex, recovered.lastIndex)),
      damaged,
    },
    { log: logStore },
  );

  const slots = options.slots ?? availableParallelism();
  const executor = await Executor.start({
    slots: Math.max(1, slots),
    log: ({ level, event, ...fields }) => log[level](event, fields),
  });
  scope.defer(async () => executor.close());

  const peers = await PeerNetwork.listen(
    {
      identity: {
        cluster: identity.cluster,
        generation: identity.generation,
        node: self,
        incarnation: identity.incarnation,
        boot,
      },
      listen: options.listen,
      damaged: () => raft.isDamaged,
    },
    {
      // Others may call before the node is made, a moment from now: messages are lost without harm, requests come again.
      message: (from, payload) => node?.onMessage(from, payload),
      request: async (from, _lane, head, body) => {
        if (node === undefined)
          throw new IDunnoError("CLOSED", { what: "the node, still starting" });
        return node.onRequest(from, head, body);
      },
      connected: (peer, hello) => node?.onConnected(peer, hello.boot),
      disconnected: (peer) => node?.onDisconnected(peer),
      refused: (peer) => node?.onRefused(peer),
      rebooted: (peer) => node?.onRebooted(peer),
      trouble: (peer, error) => log.debug("peer-trouble", { peer, error: error.message }),
    },
  );
  scope.defer(async () => peers.close());

  const loopDelay = monitorEventLoopDelay({ resolution: 10 });
  loopDelay.enable();
  scope.defer(() => void loopDelay.disable());

  const host = options.advertise ?? options.listen.host;
  const makeRegistration = (httpPort: number): RegisterMember => ({
    kind: "register-member",
    node: self,
    incarnation: identity.incarnation,
    boot,
    store: StoreId(chunkStore.id),
    peerAddress: `${host}:${peers.port}`,
    httpAddress: `${options.advertise ?? options.http.host}:${httpPort}`,
    slots,
    labels: Object.entries(options.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  });

  const made = new Node(
    { self, boot, directory, identity, version },
    {
      log,
      raft,
      logStore,
      state,
      machine,
      logClock,
      clock,
      chunkStore,
      cache,
      peers,
      executor,
      loopDelay,
      onFatal: stop.fatal,
    },
  );
  node = made;
  scope.defer(async () => made.close());
  const http = await startHttp(options.http, made.services);
  scope.defer(async () => http.close());
  peers.setPeers(
    new Map(
      founders
        .filter(({ name }) => name !== self)
        .map(({ name, host: peerHost, port }) => [NodeId(name), { host: peerHost, port }]),
    ),
  );
  made.start(makeRegistration(http.port));
  log.info("started", {
    boot,
    cluster: identity.cluster,
    peerPort: peers.port,
    httpPort: http.port,
    slots,
    lastIndex: recovered.lastIndex,
    appliedIndex: state.appliedIndex,
    term: recovered.hardState.term,
  });

  let closing: Promise<void> | undefined;
  return {
    httpPort: http.port,
    peerPort: peers.port,
    stopped: stop.promise,
    close: async () => {
      closing ??= (async () => {
        await scope[Symbol.asyncDispose]();
        log.info("stopped");
        log.flush();
        stop.done();
      })();
      return closing;
    },
  };
}

/** Chunk files may use half of libuv's pool: the log's fsync must never queue behind them (design section 4). */
function ioSlots(): number {
  const pool = Number(process.env["UV_THREADPOOL_SIZE"] ?? 4);
  return Math.max(1, Math.floor(pool / 2));
}
