/** The heads of frames after the handshake: what a connection says to its other end. */
import { type Static, parser, Type } from "../lib/schema.ts";

const Id = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const Message = Type.Object({ kind: Type.Literal("message"), head: Type.Unknown() });
const Request = Type.Object({ kind: Type.Literal("request"), id: Id, head: Type.Unknown() });
const Reply = Type.Object({ kind: Type.Literal("reply"), id: Id, head: Type.Unknown() });
/** Why the request failed, as {@link import("../lib/errors.ts").WireError}. */
const Failure = Type.Object({
  kind: Type.Literal("failure"),
  id: Id,
  error: Type.Object({ code: Type.String(), details: Type.Unknown() }),
});
/** Asks whether the other end is there; `pong` says so. */
const Ping = Type.Object({ kind: Type.Literal("ping") });
const Pong = Type.Object({ kind: Type.Literal("pong") });

export type Envelope =
  | Static<typeof Message>
  | Static<typeof Request>
  | Static<typeof Reply>
  | Static<typeof Failure>
  | Static<typeof Ping>
  | Static<typeof Pong>;

/** One validator a kind, so that the error names the field and not a branch of a union. */
const parsers: Readonly<Record<Envelope["kind"], (head: unknown) => Envelope>> = {
  message: parser(Message, "message"),
  request: parser(Request, "request"),
  reply: parser(Reply, "reply"),
  failure: parser(Failure, "failure"),
  ping: parser(Ping, "ping"),
  pong: parser(Pong, "pong"),
};

const kindOf = parser(Type.Object({ kind: Type.Enum(Object.keys(parsers)) }), "frame head");

/** @throws IDunnoError MALFORMED */
export function parseEnvelope(head: unknown): Envelope {
  return parsers[kindOf(head).kind as Envelope["kind"]](head);
}
