/** What the network tests share: networks that record what their handlers hear. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { IDunnoError } from "../../src/lib/errors.ts";
import { NodeId } from "../../src/lib/types.ts";
import { frameLimits } from "../../src/net/frame.ts";
import { FramedSocket } from "../../src/net/framed-socket.ts";
import { greet, type Hello, receiveHello, sendHello } from "../../src/net/handshake.ts";
import type { NetLimits } from "../../src/net/limits.ts";
import { type PeerHandlers, PeerNetwork, type PeerNetworkOptions } from "../../src/net/peers.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";

export const a = NodeId("a");
export const b = NodeId("b");
export const c = NodeId("c");

export type Identity = PeerNetworkOptions["identity"];

let boots = 0;
export function identity(node: NodeId, changes: Partial<Identity> = {}): Identity {
  boots += 1;
  const boot = `boot-${boots}-${process.pid}`;
  return { cluster: "test", generation: 0, node, incarnation: `i-${node}`, boot, ...changes };
}

/** What a network's handlers heard, in order: `connected b`, `message b {"n":1}`. */
export interface Heard {
  readonly network: PeerNetwork;
  readonly events: string[];
  /** Who called, on which lane, and where he says to listen. */
  readonly calls: string[];
  readonly troubles: { peer: NodeId | undefined; error: IDunnoError }[];
  /** How often an event that starts so was heard. */
  readonly count: (event: string) => number;
}

export interface NetOptions {
  readonly identity: Identity;
  readonly port?: number;
  readonly limits?: Partial<NetLimits>;
  readonly admit?: (hello: Hello) => string | undefined;
  readonly advertise?: string;
  readonly damaged?: () => boolean;
  readonly request?: PeerHandlers["request"];
}

export async function listen({ port = 0, request, ...options }: NetOptions): Promise<Heard> {
  const events: string[] = [];
  const calls: string[] = [];
  const troubles: Heard["troubles"] = [];
  const network = await PeerNetwork.listen(
    { ...options, runtime: systemRuntime, listen: { host: "127.0.0.1", port } },
    {
      message: (from, payload) => events.push(`message ${from} ${JSON.stringify(payload)}`),
      request: request ?? (async (_from, _lane, head, body) => ({ head, body })),
      connected: (peer, hello) => events.push(`connected ${peer} ${hello.boot}`),
      disconnected: (peer) => events.push(`disconnected ${peer}`),
      refused: (peer) => events.push(`refused ${peer}`),
      rebooted: (peer, hello) => events.push(`rebooted ${peer} ${hello.boot}`),
      called: ({ node, lane, address }) => calls.push(`${node} ${lane} ${address ?? ""}`),
      trouble: (peer, error) => troubles.push({ peer, error }),
    },
  );
  const count = (event: string): number => events.filter((e) => e.startsWith(event)).length;
  return { network, events, calls, troubles, count };
}

export function at(port: number): { host: string; port: number } {
  return { host: "127.0.0.1", port };
}

/** Makes each a peer of all others. */
export function join(...networks: readonly (readonly [NodeId, Heard])[]): void {
  const peers = new Map(networks.map(([node, { network }]) => [node, at(network.port)]));
  for (const [, { network }] of networks) network.setPeers(peers);
}

/** A bare listener with a script of its own. Closing it also destroys what it accepted. */
export class BareServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  accepted = 0;

  private constructor(onSocket: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.accepted += 1;
      this.#sockets.add(socket);
      socket.on("error", () => undefined); // resets are what these tests are about
      onSocket(socket);
    });
  }

  static async listen(onSocket: (socket: Socket) => void, port = 0): Promise<BareServer> {
    const bare = new BareServer(onSocket);
    bare.#server.listen(port, "127.0.0.1");
    await once(bare.#server, "listening");
    return bare;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Does the acceptor's part of a handshake on a bare socket. */
export async function welcome(
  socket: Socket,
  self: Identity,
  heard?: (hello: Hello) => void,
): Promise<FramedSocket> {
  const framed = new FramedSocket(socket, frameLimits);
  const mine = { ...self, damaged: false };
  const hello = await receiveHello(framed, mine, "the caller");
  heard?.(hello);
  sendHello(framed, greet(mine, hello.node, hello.lane));
  return framed;
}
