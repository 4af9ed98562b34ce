/** The listening side: judges hellos, then serves each lane. One connection per peer and lane: the newest. */
import { createServer, type Server, type Socket } from "node:net";
import { hasCode, IDunnoError } from "../lib/errors.ts";
import { unpack } from "../lib/msgpack.ts";
import { parser, Type } from "../lib/schema.ts";
import type { NodeId } from "../lib/types.ts";
import { Connection, type ConnectionHandlers, type Reply } from "./connection.ts";
import type { Address } from "./dial.ts";
import { FramedSocket } from "./framed-socket.ts";
import {
  greet,
  handshakeLimits,
  type Hello,
  type Identity,
  objection,
  receiveHello,
  refuse,
  sendHello,
} from "./handshake.ts";
import type { NetLimits } from "./limits.ts";

export interface AcceptorOptions {
  readonly listen: Address;
  readonly limits: NetLimits;
  identity(): Identity;
  /** A reason to refuse a hello that fits otherwise, or undefined. */
  admit(hello: Hello): string | undefined;
}

export interface AcceptorHandlers {
  message(from: NodeId, payload: unknown): void;
  request(from: NodeId, lane: "control" | "bulk", head: unknown, body: Uint8Array): Promise<Reply>;
  /** A hello that was accepted, before its connection is served. */
  greeted(hello: Hello): void;
  trouble(peer: NodeId | undefined, error: IDunnoError): void;
}

const parsePayloads = parser(
  Type.Array(
    Type.Refine(Type.Unsafe<Uint8Array>(Type.Unknown()), (bytes) => bytes instanceof Uint8Array),
  ),
  "raft messages",
);

export class Acceptor {
  readonly #server: Server;
  readonly #options: AcceptorOptions;
  readonly #handlers: AcceptorHandlers;
  /** Sockets whose handshake is not done. */
  readonly #strangers = new Set<FramedSocket>();
  /** By `node/lane`. */
  readonly #accepted = new Map<
    string,
    { readonly hello: Hello; readonly connection: Connection }
  >();
  #closing = false;

  private constructor(options: AcceptorOptions, handlers: AcceptorHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#server = createServer((socket) => void this.#welcome(socket)); // ends in `trouble`
  }

  /** @throws IDunnoError PORT_IN_USE */
  static async listen(options: AcceptorOptions, handlers: AcceptorHandlers): Promise<Acceptor> {
    const acceptor = new Acceptor(options, handlers);
    const server = acceptor.#server;
    const { host, port } = options.listen;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause: NodeJS.ErrnoException) => {
        const address = `${host}:${port}`;
        const inUse = cause.code === "EADDRINUSE";
        reject(inUse ? new IDunnoError("PORT_IN_USE", { address }, { cause }) : cause);
      });
      server.listen({ host, port }, resolve);
    });
    server.removeAllListeners("error");
    // Failing to accept one connection (EMFILE) says nothing about the others.
    server.on("error", (error) => {
      handlers.trouble(
        undefined,
        new IDunnoError("INTERNAL", { message: error.message }, { cause: error }),
      );
    });
    return acceptor;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** The node lives on under this boot id: drops what its earlier lives opened. */
  forget({ node, boot }: Hello): void {
    for (const { hello, connection } of this.#accepted.values()) {
      if (hello.node === node && hello.boot !== boot) connection.destroy();
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const stranger of this.#strangers) stranger.destroy();
    await Promise.all([...this.#accepted.values()].map(({ connection }) => connection.close()));
    await closed;
  }

  async #welcome(socket: Socket): Promise<void> {
    const { limits } = this.#options;
    const framed = new FramedSocket(socket, handshakeLimits);
    if (this.#closing || this.#strangers.size >= limits.strangers) return framed.destroy();
    this.#strangers.add(framed);
    // Also bounds how long a refused caller may take to hang up.
    const timer = setTimeout(() => framed.destroy(), limits.handshakeTimeoutMs);
    try {
      const self = this.#options.identity();
      const hello = await receiveHello(framed, self, `${socket.remoteAddress}`);
      const why = objection(hello, self) ?? this.#options.admit(hello);
      if (why === undefined) {
        sendHello(framed, greet(self, hello.node, hello.lane));
        this.#serve(framed, hello);
      } else {
        this.#handlers.trouble(hello.node, refusedBy(self.node, hello, why));
        refuse(framed, why);
        await framed.closed;
      }
    } catch (error) {
      if (!(error instanceof IDunnoError)) throw error;
      // Somebody who connects and goes away, a port scan perhaps, is not worth a line.
      if (!hasCode(error, "CLOSED")) {
        this.#handlers.trouble(undefined, error);
        if (framed.open) refuse(framed, error.message);
        await framed.closed;
      }
    } finally {
      clearTimeout(timer);
      this.#strangers.delete(framed);
    }
  }

  #serve(framed: FramedSocket, hello: Hello): void {
    const { node, lane } = hello;
    const { limits } = this.#options;
    const options = {
      name: `the ${lane} lane from ${node}`,
      queueBytes: limits.requestQueueBytes,
      served: lane === "bulk" ? limits.bulkServed : limits.controlServed,
      closeGraceMs: limits.closeGraceMs,
    };
    this.#handlers.greeted(hello);
    const connection = new Connection(framed, options, this.#laneHandlers(hello));
    const key = `${node}/${lane}`;
    // The dialler has one at a time, so an older one is a half that it has lost.
    this.#accepted.get(key)?.connection.destroy();
    const entry = { hello, connection };
    this.#accepted.set(key, entry);
    // `closed` never rejects.
    void connection.closed.then((why) => {
      if (this.#accepted.get(key) === entry) this.#accepted.delete(key);
      if (why instanceof IDunnoError) this.#handlers.trouble(node, why);
    });
  }

  #laneHandlers({ node, lane }: Hello): ConnectionHandlers {
    if (lane !== "raft") {
      return { onRequest: (head, body) => this.#handlers.request(node, lane, head, body) };
    }
    return {
      onMessage: (head) => {
        for (const payload of parsePayloads(head)) {
          this.#handlers.message(node, unpack(payload, `raft message from ${node}`));
        }
      },
    };
  }
}

function refusedBy(self: NodeId, hello: Hello, why: string): IDunnoError {
  return new IDunnoError("HANDSHAKE_REFUSED", { peer: `${self} (to ${hello.node})`, why });
}
