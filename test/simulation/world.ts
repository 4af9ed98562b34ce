/**
 * The simulated cluster: its machines, the network between them, the clients' way to a node, and the checks, which look
 * after everything that ran. What breaks it is in nemesis.ts, who uses it in clients.ts.
 */
import { asIDunnoError, hasCode, IDunnoError } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";
import { type ChunkHash, NodeId } from "../../src/lib/types.ts";
import { deadline } from "../../src/node/deadline.ts";
import { parseAddress } from "../../src/node/peer-list.ts";
import type { Services } from "../../src/node/services.ts";
import { type Founder, type Identity, joinIdentity } from "../../src/node/stores/identity.ts";
import { decodeMessage } from "../../src/net/raft-codec.ts";
import { messageText } from "../raft/simulation/trace.ts";
import { ConsensusChecks } from "./checks/consensus.ts";
import { ProductChecks } from "./checks/product.ts";
import { Failovers } from "./failovers.ts";
import { SimulatedMachine } from "./machine.ts";
import { Network } from "./network/network.ts";
import type { Plan } from "./plan.ts";
import { Trace } from "./trace.ts";
import { VirtualTime } from "./virtual-time.ts";

const cluster = "0123456789abcdef0123456789abcdef";
/** A process that ended itself for its disk is started again after this, ms: whoever runs it has looked by then. */
const restartMs = 1_500;

export class World {
  readonly plan: Plan;
  readonly time = new VirtualTime();
  readonly network: Network;
  readonly machines = new Map<NodeId, SimulatedMachine>();
  readonly founders: readonly NodeId[];
  readonly consensus: ConsensusChecks;
  readonly product: ProductChecks;
  readonly failovers = new Failovers();
  readonly trace = new Trace();
  /** The bytes of every chunk that was ever made durable, by name. */
  readonly contents = new Map<ChunkHash, Uint8Array>();
  /** Machines that have been taken out of the cluster, or never were in it: nobody restarts them by himself. */
  readonly outside = new Set<NodeId>();
  /** Its data was taken away: it may come back once it has been removed, as another node of its name. */
  readonly wiped = new Set<NodeId>();
  readonly random: Random;
  #seenCommitted = 0;
  #moments = 0;

  constructor(plan: Plan) {
    this.plan = plan;
    const random = new Random(plan.seed ^ 0x5eed);
    this.network = new Network(this.time, random.fork());
    this.random = random.fork();
    const { founders, spares, knobs, driftPerMille } = plan;
    const ids = Array.from({ length: founders + spares }, (_, i) => NodeId(`n${i + 1}`));
    this.founders = ids.slice(0, founders);
    for (const id of ids.slice(founders)) this.outside.add(id);
    this.consensus = new ConsensusChecks(ids, this.founders, this.time.fail);
    this.product = new ProductChecks(this.contents);
    for (const id of ids) {
      const clock = {
        offset: random.between(0, 1_000_000),
        // The slowest or the fastest that there may be: what lies between asks less of anybody.
        perMille: 1_000 + (random.pick([0, 1, 1]) ?? 0) * driftPerMille,
      };
      const machine = new SimulatedMachine(
        { id, clock, knobs, random: random.fork() },
        { time: this.time, network: this.network, contents: this.contents, watch: this },
      );
      machine.chunks.ioMs = plan.diskMs;
      machine.disk.faults.diskMs = [0.05, plan.diskMs];
      this.machines.set(id, machine);
    }
  }

  machine(id: NodeId): SimulatedMachine {
    const machine = this.machines.get(id);
    if (machine === undefined) throw new Error(`no machine ${id}`);
    return machine;
  }

  get ids(): readonly NodeId[] {
    return [...this.machines.keys()];
  }

  /** Machines that belong to the cluster, running or not. Who has left and has not heard of it is none of them. */
  get inside(): SimulatedMachine[] {
    const { members } = this.product.machine;
    return [...this.machines.values()].filter(
      ({ id }) => !this.outside.has(id) && members.get(id)?.state !== "left",
    );
  }

  /** The leader of the newest term, if a running node takes itself for one. */
  get leader(): SimulatedMachine | undefined {
    let found: SimulatedMachine | undefined;
    for (const machine of this.machines.values()) {
      const role = machine.running?.raft.role;
      if (role?.kind === "leader" && role.term > (found?.running?.raft.role.term ?? 0))
        found = machine;
    }
    return found;
  }

  /** A moment that no other one equals, for histories. */
  moment(): number {
    this.#moments += 1;
    return this.#moments;
  }

  // --- processes ----------------------------------------------------------------------------------------------------

  start(id: NodeId): void {
    const machine = this.machine(id);
    if (machine.isUp) return;
    this.outside.delete(id);
    this.trace.add({ kind: "up", at: this.time.now, node: id });
    machine.start((incarnation) => this.#identity(id, incarnation));
  }

  crash(id: NodeId, options: { readonly power: boolean }): void {
    const machine = this.machine(id);
    if (!machine.isUp) return;
    this.trace.add({ kind: "down", at: this.time.now, node: id });
    machine.crash(options);
    this.consensus.gone(id);
  }

  /** Founders make themselves up; whoever comes later asks a running node whom there is. */
  #identity(id: NodeId, incarnation: string): Identity {
    const founders: Founder[] = this.founders.map((name) => ({ name, host: name, port: 7_000 }));
    if (this.founders.includes(id) && !this.wiped.has(id))
      return { format: 1, cluster, generation: 1, node: id, incarnation, founders };
    this.wiped.delete(id);
    const members = [...this.product.machine.members.values()]
      .filter(({ state, node }) => state !== "left" && node !== id)
      .flatMap(({ node, peerAddress }): Founder[] => {
        const address = parseAddress(peerAddress);
        return address === undefined ? [] : [{ name: node, ...address }];
      });
    return { ...joinIdentity(id, { cluster, generation: 1, founders, members }), incarnation };
  }

  // --- what machines tell (MachineWatch) -----------------------------------------------------------------------------

  readonly made: ConstructorParameters<typeof SimulatedMachine>[1]["watch"]["made"] = (
    machine,
    made,
  ) => {
    try {
      this.consensus.made(machine, made);
    } catch (error) {
      this.time.fail(error);
    }
  };

  readonly sent = (machine: SimulatedMachine, to: NodeId, payload: unknown): void => {
    this.consensus.sent(machine, to, payload);
  };

  readonly ran = (): void => {
    const { truth } = this.consensus.checks;
    if (truth.length === this.#seenCommitted) return;
    this.#seenCommitted = truth.length;
    this.failovers.committed(truth.entries.at(-1)?.term ?? 0, this.time.now);
    try {
      this.product.follow(truth.entries);
    } catch (error) {
      this.time.fail(error);
    }
  };

  /** A node ends itself when its disk fails, when it has left, and for nothing else. */
  readonly fatal = ({ id, process }: SimulatedMachine, error: unknown): void => {
    const { code, message } = asIDunnoError(error);
    this.trace.add({ kind: "fault", at: this.time.now, node: id, text: `${id} ends: ${message}` });
    const isDisk = code === "STORAGE_FAILED" || message.includes("EIO: ");
    const hasLeft = this.product.machine.members.get(id)?.state === "left";
    const isGone = (hasCode(error, "CLOSED") || hasCode(error, "CONFLICT")) && hasLeft;
    if (!isDisk && !isGone && !this.wiped.has(id)) {
      this.time.fail(error);
      return;
    }
    if (isGone) this.outside.add(id);
    // Not at once: the process is in the middle of something.
    this.time.after(0, () => {
      if (this.machine(id).process === process) this.crash(id, { power: false });
    });
    if (!isGone) this.time.after(restartMs, () => this.start(id));
  };

  readonly logged = (
    { id }: SimulatedMachine,
    level: "debug" | "info" | "warn" | "error",
    event: string,
    fields: Readonly<Record<string, unknown>>,
  ): void => {
    if (event === "apply-failed" || event === "query-lost")
      this.time.fail(new Error(`${id} says ${event}: ${JSON.stringify(fields)}`));
    if (event === "role") {
      const text = `${String(fields["kind"])} ${String(fields["term"])}`;
      this.trace.add({ kind: "role", at: this.time.now, node: id, text });
    } else if (level !== "debug") this.trace.note(this.time.now, id, event, fields);
  };

  /** From now on raft messages are part of the trace. */
  recordMessages(): void {
    this.network.onMessage = ({ from, to, sentAt, receivedAt, payload }) => {
      const text = messageText(decodeMessage(from, to, payload));
      this.trace.keep({ kind: "message", from, to, sentAt, receivedAt, text });
    };
  }

  // --- clients ------------------------------------------------------------------------------------------------------

  /**
   * A request of a client to a node, as over HTTP: it may be lost with the node, or its answer alone.
   * @throws IDunnoError UNREACHABLE, TIMED_OUT, or what the node answers
   */
  async ask<T>(
    id: NodeId,
    work: (services: Services, signal: AbortSignal) => Promise<T>,
    timeoutMs: number,
  ): Promise<T> {
    const { time, network } = this;
    const delay = (): number => network.random.between(100, 2_000) / 1_000;
    return new Promise((resolve, reject) => {
      const unreachable = (): void => reject(new IDunnoError("UNREACHABLE", { nodes: [id] }));
      time.after(timeoutMs, () =>
        reject(new IDunnoError("TIMED_OUT", { what: "the request", afterMs: timeoutMs })),
      );
      time.after(delay(), () => {
        const { running } = this.machine(id);
        if (running === undefined) {
          time.after(delay(), unreachable);
          return;
        }
        const { process, node } = running;
        const ended = network.watch(process, unreachable);
        const carryOut = async (): Promise<void> => {
          using limit = deadline(process, "the request", timeoutMs * 0.9);
          let answer: () => void;
          try {
            const value = await work(node.services, limit);
            answer = () => resolve(value);
          } catch (error) {
            answer = () => reject(asIDunnoError(error));
          }
          ended();
          if (!network.random.chance(network.faults.lostReplies, 1_000))
            time.after(delay(), answer);
        };
        process.enter(() => void carryOut()); // its failure is its answer
      });
    });
  }
}
