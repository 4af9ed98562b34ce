/**
 * One simulated machine: what outlasts its processes (disk, chunks, clock, name), and the process that runs on it, if
 * any. A process is a whole node, the production code from the stores to the scheduler; only what surrounds it is
 * simulated: time, disk, chunk files, network, inference.
 */
import { IDunnoError } from "../../src/lib/errors.ts";
import type { CollectionTimes } from "../../src/node/collector.ts";
import type { Random } from "../../src/lib/random.ts";
import { Scope } from "../../src/lib/scope.ts";
import type { ChunkHash, NodeId } from "../../src/lib/types.ts";
import { foreignIncarnation, listing } from "../../src/node/admission.ts";
import { LogClock } from "../../src/node/log-clock.ts";
import { Node } from "../../src/node/node.ts";
import { makeRaft, makeRegistration } from "../../src/node/opening.ts";
import { Callers, peerAddresses } from "../../src/node/peer-list.ts";
import type { CompactionLimits } from "../../src/node/snapshots/compactor.ts";
import { type Identity, readIdentity } from "../../src/node/stores/identity.ts";
import { type OpenedStores, openStores } from "../../src/node/stores/open-stores.ts";
import { greet } from "../../src/net/handshake.ts";
import type { Raft } from "../../src/raft/core.ts";
import type { RaftLimits, RaftTimings } from "../../src/raft/types.ts";
import type { AnswerCounts } from "./checks/answers.ts";
import type { PreemptionCounts } from "./checks/preemption.ts";
import { ChunkDisk, chunkHash, SimulatedCache, SimulatedChunks } from "./chunks.ts";
import { SimulatedDisk } from "./disk/simulated-disk.ts";
import type { ExecutorFaults } from "./inference/child.ts";
import { calmExecutor, SimulatedExecutor } from "./inference/executor.ts";
import { localModels } from "./inference/models.ts";
import type { Network } from "./network/network.ts";
import { SimulatedPeers } from "./network/peers.ts";
import { type Clock, SimulatedProcess } from "./process.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Where its data lies on its disk. */
export const dataDirectory = "/data";

/** What all machines of a world are made with. */
export interface MachineKnobs {
  readonly timings: RaftTimings;
  readonly limits: RaftLimits;
  readonly compaction: CompactionLimits;
  readonly collection: CollectionTimes;
  readonly slots: number;
  readonly voters: number | undefined;
  /** Milliseconds that an input takes with the model of this SHA-256. */
  readonly costMs: (modelSha256: string) => number;
}

/** What the world wants to hear of a machine. */
export interface MachineWatch {
  /** The stores are open and the core is made; nothing has run yet. */
  readonly made: (machine: SimulatedMachine, made: RunningNode) => void;
  readonly sent: (machine: SimulatedMachine, to: NodeId, payload: unknown) => void;
  /** Something ran in its process. */
  readonly ran: (machine: SimulatedMachine) => void;
  /** Its process ended itself. */
  readonly fatal: (machine: SimulatedMachine, error: unknown) => void;
  readonly logged: (
    machine: SimulatedMachine,
    level: "debug" | "info" | "warn" | "error",
    event: string,
    fields: Readonly<Record<string, unknown>>,
  ) => void;
}

export interface RunningNode {
  readonly process: SimulatedProcess;
  readonly boot: string;
  readonly identity: Identity;
  readonly stores: OpenedStores;
  readonly raft: Raft;
  readonly node: Node;
  readonly peers: SimulatedPeers;
  readonly executor: SimulatedExecutor;
}

export interface MachineOptions {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly knobs: MachineKnobs;
  readonly random: Random;
}

export class SimulatedMachine {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly disk: SimulatedDisk;
  readonly chunks: ChunkDisk;
  readonly knobs: MachineKnobs;
  executorFaults: ExecutorFaults = calmExecutor;
  /** Of all its executors. */
  readonly preemptions: PreemptionCounts = { newcomers: 0, yields: 0, stands: 0, lost: 0 };
  readonly answers: AnswerCounts = { waited: 0 };
  process: SimulatedProcess | undefined;
  running: RunningNode | undefined;
  /** Restarts so far. */
  life = 0;
  readonly #time: VirtualTime;
  readonly #network: Network;
  readonly #random: Random;
  readonly #watch: MachineWatch;

  constructor(
    { id, clock, knobs, random }: MachineOptions,
    ports: {
      readonly time: VirtualTime;
      readonly network: Network;
      readonly contents: Map<ChunkHash, Uint8Array>;
      readonly watch: MachineWatch;
    },
  ) {
    this.id = id;
    this.clock = clock;
    this.knobs = knobs;
    this.#random = random;
    this.#time = ports.time;
    this.#network = ports.network;
    this.#watch = ports.watch;
    this.disk = new SimulatedDisk(
      {
        random: random.fork(),
        after: (ms, run) => {
          const { process } = this;
          this.#time.after(ms, () => (process === undefined ? run() : process.enter(run)));
        },
      },
      { mount: dataDirectory },
    );
    this.chunks = new ChunkDisk(id, random.fork(), ports.contents);
  }

  /** Whether a process runs here, starting up included. */
  get isUp(): boolean {
    return this.process !== undefined;
  }

  get isPaused(): boolean {
    return this.process?.isPaused === true;
  }

  /** Starts a process. `makeIdentity` is asked when the directory has none. */
  start(makeIdentity: (incarnation: string) => Identity): void {
    if (this.process !== undefined) throw new Error(`${this.id} runs already`);
    this.life += 1;
    const process = new SimulatedProcess(this.#time, this.clock, this.#random.fork());
    this.process = process;
    this.#network.off.delete(this.id);
    this.#open(process, makeIdentity).catch((error: unknown) => {
      if (!process.isAlive) return;
      this.#watch.fatal(this, error);
    });
  }

  /** The process is killed; with `power` the machine goes off. */
  crash(options: { readonly power: boolean }): void {
    const { process, running } = this;
    process?.kill();
    running?.peers.silence();
    this.process = undefined;
    this.running = undefined;
    this.disk.crash(options);
    if (options.power) this.#network.off.add(this.id);
  }

  async #open(
    process: SimulatedProcess,
    makeIdentity: (incarnation: string) => Identity,
  ): Promise<void> {
    const disk = this.disk.attach();
    const found = await readIdentity(dataDirectory, disk.files);
    const identity = found ?? makeIdentity(process.randomHex(8));
    const log = this.#log();
    const onFatal = (error: unknown): void => this.#watch.fatal(this, error);
    const stores = await openStores(
      dataDirectory,
      { identity, isNew: found === undefined },
      { disk, scope: new Scope(), log, runtime: process, onFatal },
    );
    const { machine } = stores;
    const boot = process.randomHex(8);
    const { timings, limits } = this.knobs;
    const raft = makeRaft(identity, stores, {
      seed: this.#random.next(),
      now: process.now(),
      timings,
      limits,
    });
    let node: Node | undefined;
    const callers = new Callers();
    const heard = { process, identity, boot, raft, machine, state: stores.state, callers };
    const peers = this.#listen(heard, () => node);
    const chunkStore = new SimulatedChunks(this.chunks, {
      process,
      onDamage: (hash) => node?.onDamage(hash),
    });
    const cache = new SimulatedCache();
    const executor = this.#executor(process, cache);
    node = new Node(
      { self: this.id, boot, directory: dataDirectory, identity, version: "simulated" },
      {
        ...stores,
        disk,
        log,
        runtime: process,
        raft,
        logClock: new LogClock(process, machine.logTime, 1_700_000_000_000),
        chunkStore,
        cache,
        compaction: this.knobs.compaction,
        collection: this.knobs.collection,
        makeModels: () => localModels(executor),
        peers,
        callers,
        executor,
        loopDelay: { max: 0, percentile: () => 0 },
        onFatal,
        chunkReserveBytes: 2 ** 28,
        votersAtFirst: this.knobs.voters,
        onRemoved: () => this.#watch.fatal(this, new IDunnoError("CLOSED", { what: "removed" })),
      },
    );
    this.running = { process, boot, identity, stores, raft, node, peers, executor };
    process.onRan = () => this.#watch.ran(this);
    this.#watch.made(this, this.running);
    peers.setPeers(peerAddresses(identity, machine.members, callers.all));
    node.start(
      makeRegistration(identity, {
        boot,
        chunkStore,
        peerAddress: `${this.id}:7000`,
        httpAddress: `${this.id}:8000`,
        slots: this.knobs.slots,
        labels: {},
      }),
    );
  }

  #listen(
    parts: Pick<RunningNode, "process" | "identity" | "boot" | "raft"> & {
      readonly machine: OpenedStores["machine"];
      readonly state: OpenedStores["state"];
      readonly callers: Callers;
    },
    node: () => Node | undefined,
  ): SimulatedPeers {
    const { process, identity, boot, raft, callers } = parts;
    const { cluster, generation, incarnation } = identity;
    return new SimulatedPeers(
      this.#network,
      {
        id: this.id,
        process,
        hello: (to, lane) =>
          greet(
            {
              cluster,
              generation,
              node: this.id,
              incarnation,
              boot,
              damaged: raft.isDamaged,
              address: `${this.id}:7000`,
              ...listing(parts, { node: this.id, incarnation }),
            },
            to,
            lane,
          ),
        admit: (hello) => foreignIncarnation(parts, hello),
        onSend: (to, payload) => this.#watch.sent(this, to, payload),
      },
      {
        message: (from, payload) => node()?.onMessage(from, payload),
        request: async (from, _lane, head, body) => {
          const serving = node();
          if (serving === undefined) throw new IDunnoError("CLOSED", { what: "the node" });
          return serving.onRequest(from, head, body);
        },
        connected: (peer, hello) => node()?.onConnected(peer, hello.boot),
        disconnected: (peer) => node()?.onDisconnected(peer),
        refused: (peer) => node()?.onRefused(peer),
        rebooted: (peer) => node()?.onRebooted(peer),
        called: (hello) => {
          if (callers.called(hello)) node()?.onCalled(hello);
        },
      },
    );
  }

  #executor(process: SimulatedProcess, cache: SimulatedCache): SimulatedExecutor {
    return new SimulatedExecutor(this.knobs.slots, {
      time: this.#time,
      process,
      random: this.#random.fork(),
      faults: () => this.executorFaults,
      counts: this.preemptions,
      answers: this.answers,
      isWhole: (part) => {
        if ("content" in part) return chunkHash(part.content) === part.hash;
        const { path, hash } = part;
        return path.startsWith("cache/")
          ? cache.contents.has(hash)
          : this.chunks.durable.get(hash)?.isDamaged === false;
      },
      costMs: (modelSha256) => this.knobs.costMs(modelSha256),
    });
  }

  #log() {
    const at =
      (level: "debug" | "info" | "warn" | "error") =>
      (event: string, fields: Readonly<Record<string, unknown>> = {}): void =>
        this.#watch.logged(this, level, event, fields);
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      flush: () => undefined,
    };
  }
}
