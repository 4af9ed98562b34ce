/**
 * The first frame each way: who is calling, of which cluster, in which life, whom it wants, and for what. The side
 * that was called judges first and answers with its own hello or a refusal; then the caller judges. Until both are
 * content, a connection says nothing about its peer.
 */
import { IDunnoError } from "../lib/errors.ts";
import { type Static, parser, Type } from "../lib/schema.ts";
import { NodeId } from "../lib/types.ts";
import { encodeFrame, frameLimits, type FrameLimits } from "./frame.ts";
import type { FramedSocket } from "./framed-socket.ts";

/** Raised when frames or envelopes change so that an older node would misread them. */
export const protocol = 1;

/** A hello is a few hundred bytes; a stranger gets no more memory than this. */
export const handshakeLimits: FrameLimits = { headBytes: 4_096, bodyBytes: 0 };

const Name = Type.String({ minLength: 1, maxLength: 128 });
const Hello = Type.Object({
  protocol: Type.Literal(protocol),
  cluster: Name,
  /** Raised by `recover`: a lost majority must not come back. */
  generation: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  node: Type.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" }),
  /** Of the data directory: a wiped node is another one. */
  incarnation: Name,
  /** Random at each start of the process. */
  boot: Name,
  /** Its log lost something: its answers count for nothing yet. */
  damaged: Type.Boolean(),
  /** host:port at which the caller listens for peers; older versions do not say it. */
  address: Type.Optional(Type.String({ maxLength: 262 })),
  /** The log index that its state has reached, when its member list has it under this incarnation. */
  listedAt: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  /** Whom the caller believes to reach. */
  to: Name,
  lane: Type.Union([Type.Literal("raft"), Type.Literal("control"), Type.Literal("bulk")]),
});

export type Lane = Static<typeof Hello>["lane"];
export type Hello = Omit<Static<typeof Hello>, "node" | "to"> & {
  readonly node: NodeId;
  readonly to: NodeId;
};

/** What a node says of itself in every hello. */
export type Identity = Pick<
  Hello,
  "cluster" | "generation" | "node" | "incarnation" | "boot" | "damaged" | "address" | "listedAt"
>;

const parseGreeting = parser(
  Type.Union([
    Type.Object({ kind: Type.Literal("hello"), hello: Type.Unknown() }),
    Type.Object({ kind: Type.Literal("refusal"), why: Type.String({ maxLength: 1_024 }) }),
  ]),
  "handshake",
);
/** Of another protocol nothing but its number is understood. */
const parseProtocol = parser(Type.Object({ protocol: Type.Integer() }), "hello");
const parseHello = parser(Hello, "hello");

export function greet(identity: Identity, to: NodeId, lane: Lane): Hello {
  const { cluster, generation, node, incarnation, boot, damaged, address, listedAt } = identity;
  return {
    protocol,
    cluster,
    generation,
    node,
    incarnation,
    boot,
    damaged,
    to,
    lane,
    ...(address === undefined ? {} : { address }),
    ...(listedAt === undefined ? {} : { listedAt }),
  };
}

export function sendHello(framed: FramedSocket, hello: Hello): void {
  framed.write(encodeFrame({ kind: "hello", hello }));
}

/** Says why, and hangs up. */
export function refuse(framed: FramedSocket, why: string): void {
  framed.write(encodeFrame({ kind: "refusal", why }));
  framed.end();
}

/**
 * Waits for the other side's first frame.
 * @throws IDunnoError HANDSHAKE_REFUSED when it refuses, has another protocol or is ourselves; MALFORMED; CLOSED
 */
export async function receiveHello(
  framed: FramedSocket,
  self: Identity,
  peer: string,
): Promise<Hello> {
  const { head } = await framed.first(`the handshake with ${peer}`);
  const greeting = parseGreeting(head);
  if (greeting.kind === "refusal") throw refused(peer, greeting.why);
  const theirs = parseProtocol(greeting.hello).protocol;
  if (theirs !== protocol) {
    throw refused(peer, `it speaks protocol ${theirs}, this node ${protocol}: run one version`);
  }
  const hello = parseHello(greeting.hello);
  if (hello.boot === self.boot) {
    throw refused(peer, "it is this very process: an address of the peer list leads back here");
  }
  framed.limits = frameLimits;
  return { ...hello, node: NodeId(hello.node), to: NodeId(hello.to) };
}

/** What is wrong with a hello, in words for the other side's operator; undefined when it fits. */
export function objection(hello: Hello, self: Identity): string | undefined {
  if (hello.cluster !== self.cluster) return `${self.node} belongs to another cluster`;
  if (hello.generation !== self.generation) {
    return `${self.node} has cluster generation ${self.generation}, ${hello.node} has ${hello.generation}: the older one has to rejoin`;
  }
  if (hello.node === self.node) return `another process is ${self.node} already`;
  if (hello.to !== self.node) return `this is ${self.node}, not ${hello.to}`;
  return undefined;
}

export function refused(peer: string, why: string): IDunnoError<"HANDSHAKE_REFUSED"> {
  return new IDunnoError("HANDSHAKE_REFUSED", { peer, why });
}
