/**
 * All traffic between nodes. Each node dials three lanes to each peer: raft for messages that go one way and whose
 * closing is a hint of death, control for requests, bulk for chunks, so that four megabytes never delay a heartbeat.
 */
import { IDunnoError } from "../lib/errors.ts";
import { Random } from "../lib/random.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { NodeId } from "../lib/types.ts";
import { Acceptor } from "./acceptor.ts";
import type { Reply } from "./connection.ts";
import { type Address, dial, type Dialled } from "./dial.ts";
import { greet, type Hello, type Identity, type Lane } from "./handshake.ts";
import { defaultLimits, type NetLimits } from "./limits.ts";
import { RaftLink } from "./raft-link.ts";
import { RequestLane, type RequestOptions } from "./request-lane.ts";

export type { Address, Hello, Lane, NetLimits, Reply, RequestOptions };

export interface PeerNetworkOptions {
  readonly identity: Omit<Identity, "damaged" | "address" | "listedAt">;
  /** Port 0 takes any free one. */
  readonly listen: Address;
  /** The host under which others reach this node. Default: the one listened on. */
  readonly advertise?: string | undefined;
  /** Whether the log is damaged, asked at each handshake. Default: it is not. */
  readonly damaged?: () => boolean;
  /** What the hello says of the member list ({@link Hello}), asked at each handshake. Default: nothing. */
  readonly listing?: () => Pick<Hello, "listedAt">;
  /** A reason to refuse a caller of the right cluster, such as a wrong incarnation. Default: none. */
  readonly admit?: (hello: Hello) => string | undefined;
  /** Gives the beat of pings. */
  readonly runtime: Pick<Runtime, "every">;
  /** For the jitter of dials. Default: seeded from the boot id. */
  readonly random?: Random;
  /** Default: {@link defaultLimits}. */
  readonly limits?: Partial<NetLimits>;
}

export interface PeerHandlers {
  /** A raft message. An IDunnoError thrown here (MALFORMED) closes the connection it came by. */
  message(from: NodeId, payload: unknown): void;
  /** A rejection reaches the asking node as the error that it is. */
  request(from: NodeId, lane: "control" | "bulk", head: unknown, body: Uint8Array): Promise<Reply>;
  /** The raft lane that we dialled is up. */
  connected(peer: NodeId, hello: Hello): void;
  /** It closed. That alone says nothing about the peer. */
  disconnected(peer: NodeId): void;
  /** The peer's process is dead: it stopped listening right after its connection closed. Once per death. */
  refused(peer: NodeId): void;
  /** The peer's process is another one than before. Said before `connected`, whoever dialled. */
  rebooted(peer: NodeId, hello: Hello): void;
  /** Somebody called us, on any lane. He need not be a peer: what he says of himself may be all that is known of him. */
  called?(hello: Hello): void;
  /** For the log: refused handshakes, failed dials, nonsense. Repeated dials that fail alike are told once. */
  trouble?(peer: NodeId | undefined, error: IDunnoError): void;
}

/** Boot ids remembered: far above any cluster. The oldest is forgotten, which only costs a missed `rebooted`. */
const bootsKept = 4_096;

interface Peer {
  readonly address: Address;
  readonly raft: RaftLink;
  readonly control: RequestLane;
  readonly bulk: RequestLane;
}

export class PeerNetwork implements AsyncDisposable {
  readonly #options: PeerNetworkOptions;
  readonly #handlers: PeerHandlers;
  readonly #limits: NetLimits;
  readonly #random: Random;
  readonly #acceptor: Promise<Acceptor>;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #boots = new Map<NodeId, string>();
  /** Peers that were dropped and are still hanging up. */
  readonly #leaving = new Set<Promise<void>>();
  #closed: Promise<void> | undefined;
  #port = 0;

  private constructor(options: PeerNetworkOptions, handlers: PeerHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#random = options.random ?? new Random(seedOf(options.identity.boot));
    this.#acceptor = Acceptor.listen(
      {
        listen: options.listen,
        limits: this.#limits,
        identity: () => this.#identity(),
        admit: (hello) => options.admit?.(hello),
      },
      {
        message: (from, payload) => handlers.message(from, payload),
        request: (from, lane, head, body) => handlers.request(from, lane, head, body),
        greeted: (hello) => {
          this.#learn(hello);
          if (this.#closed === undefined) handlers.called?.(hello);
        },
        trouble: (peer, error) => handlers.trouble?.(peer, error),
      },
    );
  }

  /**
   * Listens; nobody is dialled before {@link setPeers}.
   * @throws IDunnoError PORT_IN_USE
   */
  static async listen(options: PeerNetworkOptions, handlers: PeerHandlers): Promise<PeerNetwork> {
    const network = new PeerNetwork(options, handlers);
    network.#port = (await network.#acceptor).port;
    return network;
  }

  /** The port that is listened on. */
  get port(): number {
    return this.#port;
  }

  /** host:port under which others reach this node. */
  get address(): string {
    const { advertise, listen } = this.#options;
    return `${advertise ?? listen.host}:${this.#port}`;
  }

  /** The peers from now on: new ones are dialled, absent ones hung up, those at a new address dialled anew. */
  setPeers(peers: ReadonlyMap<NodeId, Address>): void {
    if (this.#closed !== undefined) return;
    for (const [node, peer] of this.#peers) {
      const address = peers.get(node);
      if (address?.host === peer.address.host && address.port === peer.address.port) continue;
      this.#peers.delete(node);
      if (address === undefined) this.#boots.delete(node);
      const left = closePeer(peer).finally(() => this.#leaving.delete(left));
      this.#leaving.add(left);
    }
    for (const [node, address] of peers) {
      if (node === this.#options.identity.node || this.#peers.has(node)) continue;
      this.#peers.set(node, this.#peer(node, address));
    }
  }

  /**
   * Sends a raft message; those to one peer of one turn share a frame.
   * @returns false when it was dropped: not connected, or the queue is full
   * @throws IDunnoError TOO_LARGE
   */
  send(to: NodeId, payload: unknown): boolean {
    return this.#peers.get(to)?.raft.send(payload) ?? false;
  }

  /**
   * Asks a peer. The request may have been carried out even if it ends in UNREACHABLE or TIMED_OUT.
   * @throws IDunnoError UNREACHABLE, TIMED_OUT, CLOSED (aborted, or this network is closed), BUSY (too much waits
   * to be sent), TOO_LARGE, or what the peer answers
   */
  async request(
    to: NodeId,
    lane: "control" | "bulk",
    head: unknown,
    options: RequestOptions,
  ): Promise<Required<Reply>> {
    if (this.#closed !== undefined) throw new IDunnoError("CLOSED", { what: "the peer network" });
    const peer = this.#peers.get(to);
    if (peer === undefined) throw new IDunnoError("UNREACHABLE", { nodes: [to] });
    return peer[lane].request(head, options);
  }

  /** Whether the raft lane that we dialled is up. */
  isConnected(peer: NodeId): boolean {
    return this.#peers.get(peer)?.raft.isConnected ?? false;
  }

  /** Peers to which the raft lane that we dialled is up. */
  get connected(): number {
    return [...this.#peers.values()].filter(({ raft }) => raft.isConnected).length;
  }

  /** Sends what is queued, finishes serving within the grace time, hangs up. The handlers hear nothing more of peers. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const acceptor = await this.#acceptor;
    await Promise.all([
      acceptor.close(),
      ...this.#leaving,
      ...[...this.#peers.values()].map((peer) => closePeer(peer)),
    ]);
  }

  #peer(node: NodeId, address: Address): Peer {
    const limits = this.#limits;
    const { runtime } = this.#options;
    const requestLane = (lane: "control" | "bulk"): RequestLane =>
      new RequestLane({
        name: `the ${lane} lane to ${node}`,
        peer: `${node} (${address.host}:${address.port})`,
        limits,
        runtime,
        dial: (signal) => this.#dial(node, address, lane, signal),
      });
    const raft = new RaftLink(
      {
        name: `the raft lane to ${node}`,
        limits,
        runtime,
        random: this.#random.fork(),
        dial: (signal) => this.#dial(node, address, "raft", signal),
      },
      {
        connected: (hello) => this.#handlers.connected(node, hello),
        disconnected: () => this.#handlers.disconnected(node),
        refused: () => this.#handlers.refused(node),
        trouble: (error) => this.#handlers.trouble?.(node, error),
      },
    );
    return { address, raft, control: requestLane("control"), bulk: requestLane("bulk") };
  }

  async #dial(to: NodeId, address: Address, lane: Lane, signal: AbortSignal): Promise<Dialled> {
    const timeoutMs = this.#limits.handshakeTimeoutMs;
    const mine = greet(this.#identity(), to, lane);
    const dialled = await dial(address, mine, { timeoutMs, signal });
    if (dialled.kind === "up" && !signal.aborted) this.#learn(dialled.hello);
    return dialled;
  }

  /** Every handshake names a process; another one than before means that the former is gone. */
  #learn(hello: Hello): void {
    const { node, boot } = hello;
    const known = this.#boots.get(node);
    if (known === boot || this.#closed !== undefined) return;
    this.#boots.set(node, boot);
    const [oldest] = this.#boots.keys();
    if (this.#boots.size > bootsKept && oldest !== undefined) this.#boots.delete(oldest);
    if (known === undefined) return;
    const peer = this.#peers.get(node);
    for (const lane of [peer?.raft, peer?.control, peer?.bulk]) lane?.forget(boot);
    // The acceptor exists: there was a handshake. Its lanes of the old process are dropped before the next event.
    void this.#acceptor.then((acceptor) => acceptor.forget(hello));
    this.#handlers.rebooted(node, hello);
  }

  #identity(): Identity {
    const damaged = this.#options.damaged?.() ?? false;
    // Who calls before the port is known to us gets no address; the next lane brings it.
    const known = this.#port === 0 ? {} : { address: this.address };
    return { ...this.#options.identity, damaged, ...known, ...this.#options.listing?.() };
  }
}

async function closePeer({ raft, control, bulk }: Peer): Promise<void> {
  await Promise.all([raft.close(), control.close(), bulk.close()]);
}

/** FNV-1a: any spread will do. */
function seedOf(boot: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < boot.length; i += 1) hash = Math.imul(hash ^ boot.charCodeAt(i), 0x01000193);
  return hash;
}
