/**
 * The composition root: opens what a node consists of, joins it, and closes it in reverse order. The only place that
 * knows everybody; whoever reads it sees the whole daemon.
 */
import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { hasCode, IDunnoError } from "../lib/errors.ts";
import { Scope } from "../lib/scope.ts";
import { type ChunkHash, NodeId } from "../lib/types.ts";
import { Executor } from "../inference/executor.ts";
import { DEFAULT_LOADED_MODELS } from "../inference/model-table.ts";
import type { Machine } from "../machine/machine.ts";
import { PeerNetwork } from "../net/peers.ts";
import type { Raft } from "../raft/core.ts";
import { defaultReserveBytes, DiskWatch } from "./disk-watch.ts";
import { startHttp } from "./http/server.ts";
import { type Logger, openLog } from "./log.ts";
import { LogClock } from "./log-clock.ts";
import { LoopWatch } from "./loop-watch.ts";
import { Models } from "./models.ts";
import { Node } from "./node.ts";
import { foreignIncarnation, listing, type Membership } from "./admission.ts";
import { askCluster, askOnce } from "./joining.ts";
import { Callers, peerAddresses } from "./peer-list.ts";
import {
  checkSameCluster,
  establishIdentity,
  type Founder,
  type Identity,
  joinIdentity,
  readIdentity,
  rejoinIdentity,
} from "./stores/identity.ts";
import { makeRaft, makeRegistration, openChunks } from "./opening.ts";
import { forgetStores, openStores } from "./stores/open-stores.ts";
import { chunkReserve } from "./store-room.ts";
import { systemRuntime } from "./system-runtime.ts";
import { systemDisk } from "./stores/system-disk.ts";

/** The version that status shows. */
export const version = "0.1.0";

export interface NodeOptions {
  /** `[a-z0-9][a-z0-9-]{0,31}`, unique in the cluster. */
  readonly name: string;
  readonly dataDirectory: string;
  /** Where peers connect, and where HTTP is served. Port 0 takes any free one for HTTP. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly http: { readonly host: string; readonly port: number };
  /** All founding nodes, this one included; undefined when the directory has been in use before. */
  readonly bootstrap: readonly Founder[] | undefined;
  /**
   * HTTP addresses of running nodes whose cluster this one is to join. Nothing to a directory that has been in use,
   * unless its cluster was recovered without it.
   */
  readonly join?: readonly string[] | undefined;
  /** How many members vote while nobody sets another number; undefined: 7. */
  readonly voters?: number | undefined;
  /** Inference threads; undefined: one per processor. 0: none, this node only stores. */
  readonly slots: number | undefined;
  /** Models kept loaded; undefined: {@link DEFAULT_LOADED_MODELS}. */
  readonly loadedModels?: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Bytes to be kept free on the disk of the log; undefined: {@link defaultReserveBytes}. */
  readonly diskReserveBytes?: number | undefined;
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
  await disk.files.mkdir(options.dataDirectory, { recursive: true });
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

/** Where the data directory is. */
const disk = systemDisk;

async function open(
  options: NodeOptions,
  log: Logger,
  scope: Scope,
  stop: Stop,
): Promise<RunningNode> {
  const { dataDirectory: directory } = options;
  const established = await establish(options);
  const { identity } = established;
  const boot = randomBytes(8).toString("hex");
  const runtime = systemRuntime;
  const opening = { disk, scope, log, runtime, onFatal: stop.fatal };
  const close = closer(scope, log, stop);
  let node: Node | undefined;

  const stores = await openStores(directory, established, opening);
  const { logStore, recovered, state, machine, stage, stateFolder } = stores;
  const logClock = new LogClock(runtime, machine.logTime, Date.now());
  const onDamage = (hash: ChunkHash): void => node?.onDamage(hash);
  const { chunkStore, cache } = await openChunks(directory, onDamage, opening);
  const start = { seed: randomBytes(4).readInt32BE(0), now: runtime.now() };
  const raft = makeRaft(identity, { recovered, logStore, state }, start);
  const slots = options.slots ?? availableParallelism();
  const executor = startExecutor({ slots, loadedModels: options.loadedModels }, { scope, log });
  const callers = new Callers();
  const heard = { identity, boot, raft, machine, state, callers, log };
  const peers = await listenForPeers(options, heard, () => node);
  scope.defer(async () => peers.close());
  const loopDelay = watchLoop(scope);
  const stored = { disk, log, runtime, raft, logStore, state, machine, stage, stateFolder };
  const made = new Node(
    { self: NodeId(identity.node), boot, directory, identity, version },
    {
      ...stored,
      logClock,
      chunkStore,
      cache,
      makeModels: (files) => new Models(join(directory, "models"), { files, executor }),
      peers,
      callers,
      executor,
      loopDelay,
      onFatal: stop.fatal,
      votersAtFirst: options.voters,
      chunkReserveBytes: chunkReserve(options.diskReserveBytes ?? defaultReserveBytes),
      onRemoved: () => void close(), // fails by `stopped`
    },
  );
  node = made;
  scope.defer(async () => made.close());
  const http = await startHttp(options.http, made.services);
  scope.defer(async () => http.close());
  peers.setPeers(peerAddresses(identity, machine.members, callers.all));
  watchDisk(options, made, { log, scope });
  const { advertise, labels } = options;
  const peerAddress = peers.address;
  const httpAddress = `${advertise ?? options.http.host}:${http.port}`;
  const told = { boot, chunkStore, peerAddress, httpAddress, slots, labels };
  made.start(makeRegistration(identity, told));
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
  return { httpPort: http.port, peerPort: peers.port, stopped: stop.promise, close };
}

/** Who this node is: what its directory says, or a founder, or somebody who joins. */
async function establish({
  dataDirectory,
  name,
  bootstrap,
  join,
}: NodeOptions): ReturnType<typeof establishIdentity> {
  const found = await readIdentity(dataDirectory, disk.files);
  if (join === undefined) return establishIdentity(dataDirectory, name, bootstrap, disk);
  if (found === undefined)
    return { identity: joinIdentity(name, await askCluster(join)), isNew: true };
  const established = await establishIdentity(dataDirectory, name, undefined, disk);
  const joined = await askOnce(join);
  if (joined === undefined) return established;
  checkSameCluster(dataDirectory, found, joined);
  if (joined.generation <= found.generation) return established;
  // The cluster went on without this node (recovery.ts): what its log says counts for nothing any more.
  await forgetStores(dataDirectory, disk);
  return { identity: rejoinIdentity(found, joined), isNew: true };
}

/** Not waited for: a node votes and keeps files also while, or where, its executor does not start. */
function startExecutor(
  {
    slots,
    loadedModels = DEFAULT_LOADED_MODELS,
  }: { readonly slots: number; readonly loadedModels: number | undefined },
  { scope, log }: { readonly scope: Scope; readonly log: Logger },
): Executor {
  const executor = Executor.begin({
    slots: Math.max(1, slots),
    loadedModels,
    hasSpare: true,
    log: ({ level, event, ...fields }) => log[level](event, fields),
  });
  scope.defer(async () => executor.close());
  return executor;
}

/** A disk without room is a state of the consensus core, not an accident. */
function watchDisk(
  { dataDirectory: directory, diskReserveBytes }: NodeOptions,
  { services }: Node,
  { log, scope }: { readonly log: Logger; readonly scope: Scope },
): void {
  const watch = new DiskWatch(
    { directory, reserveBytes: diskReserveBytes ?? defaultReserveBytes },
    { runtime: systemRuntime, log, onChange: (full) => services.driver.storageFull(full) },
  );
  scope.defer(async () => watch.close());
  watch.start();
}

function watchLoop(scope: Scope): LoopWatch {
  const watch = new LoopWatch(systemRuntime);
  scope.defer(async () => watch.close());
  return watch;
}

/** Closes once, however often it is asked. */
function closer(scope: Scope, log: Logger, stop: Stop): () => Promise<void> {
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await scope[Symbol.asyncDispose]();
    log.info("stopped");
    log.flush();
    stop.done();
  };
  return async () => {
    closing ??= close();
    return closing;
  };
}

/**
 * Others may call before the node is made, a moment from now: messages are lost without harm, requests come again.
 * @throws IDunnoError PORT_IN_USE
 */
async function listenForPeers(
  { listen, advertise }: NodeOptions,
  parts: {
    readonly identity: Identity;
    readonly boot: string;
    readonly raft: Raft;
    readonly machine: Machine;
    readonly state: Membership["state"];
    readonly callers: Callers;
    readonly log: Logger;
  },
  node: () => Node | undefined,
): Promise<PeerNetwork> {
  const { cluster, generation, incarnation, node: name } = parts.identity;
  const self = NodeId(name);
  const tell = troubleTeller(parts.log);
  return PeerNetwork.listen(
    {
      identity: { cluster, generation, node: self, incarnation, boot: parts.boot },
      listen,
      advertise,
      damaged: () => parts.raft.isDamaged,
      runtime: systemRuntime,
      listing: () => listing(parts, { node: self, incarnation }),
      admit: (hello) => foreignIncarnation(parts, hello),
    },
    {
      message: (from, payload) => node()?.onMessage(from, payload),
      request: async (from, _lane, head, body) => {
        const serving = node();
        if (serving === undefined)
          throw new IDunnoError("CLOSED", { what: "the node, still starting" });
        return serving.onRequest(from, head, body);
      },
      connected: (peer, hello) => node()?.onConnected(peer, hello.boot),
      disconnected: (peer) => node()?.onDisconnected(peer),
      refused: (peer) => node()?.onRefused(peer),
      rebooted: (peer) => node()?.onRebooted(peer),
      called: (hello) => {
        if (parts.callers.called(hello)) node()?.onCalled(hello);
      },
      trouble: (peer, error) => tell(peer, error),
    },
  );
}

/** Refusals told; a dial is refused twice a second for as long as somebody tries. */
const refusalsTold = 1_000;

/** A refused handshake wants somebody's hand, so it is told, once each; all other trouble passes by itself. */
function troubleTeller(log: Logger): (peer: NodeId | undefined, error: IDunnoError) => void {
  const told = new Set<string>();
  return (peer, error) => {
    const isNews = hasCode(error, "HANDSHAKE_REFUSED") && !told.has(error.message);
    if (!isNews || told.size >= refusalsTold) {
      log.debug("peer-trouble", { peer, error: error.message });
      return;
    }
    told.add(error.message);
    log.warn("peer-refused", { peer, error: error.message });
  };
}
