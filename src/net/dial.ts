/**
 * One attempt to reach a peer: connect, say hello, hear its hello. Its outcome is a value, since failing is as
 * usual as succeeding, and only one kind of failure is evidence: that nobody listens.
 */
import { connect } from "node:net";
import { asIDunnoError, IDunnoError } from "../lib/errors.ts";
import { FramedSocket } from "./framed-socket.ts";
import {
  handshakeLimits,
  type Hello,
  objection,
  receiveHello,
  refused,
  sendHello,
} from "./handshake.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export type Dialled =
  | { readonly kind: "up"; readonly framed: FramedSocket; readonly hello: Hello }
  /** ECONNREFUSED: the machine is there and no process listens. */
  | { readonly kind: "refused"; readonly error: IDunnoError }
  /** Everything else says nothing about the peer. */
  | { readonly kind: "failed"; readonly error: IDunnoError };

export interface DialOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** @param mine our hello; `mine.to` is whom we expect to answer */
export async function dial(
  { host, port }: Address,
  mine: Hello,
  { timeoutMs, signal }: DialOptions,
): Promise<Dialled> {
  const peer = `${mine.to} (${host}:${port})`;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    const details = { what: peer, why: "that is no port", remedy: "give one from 1 to 65535" };
    return { kind: "failed", error: new IDunnoError("INVALID", details) };
  }
  const socket = connect({ host, port });
  const framed = new FramedSocket(socket, handshakeLimits);
  const giveUp = (): void => framed.destroy(new IDunnoError("CLOSED", { what: peer }));
  const timer = setTimeout(() => {
    framed.destroy(new IDunnoError("TIMED_OUT", { what: `dialling ${peer}`, afterMs: timeoutMs }));
  }, timeoutMs);
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  // On loopback a dial from the very port that it dials connects to itself, and would then occupy that port.
  socket.once("connect", () => {
    if (socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress) {
      framed.destroy(refused(peer, "the connection reached itself"));
    }
  });
  try {
    sendHello(framed, mine);
    const hello = await receiveHello(framed, mine, peer);
    const wrong =
      hello.node === mine.to ? objection(hello, mine) : `it is ${hello.node}, not ${mine.to}`;
    if (wrong !== undefined) throw refused(peer, wrong);
    return { kind: "up", framed, hello };
  } catch (error) {
    framed.destroy();
    const cause = await framed.closed;
    if (cause !== undefined && isRefusal(cause)) {
      return {
        kind: "refused",
        error: new IDunnoError("UNREACHABLE", { nodes: [peer] }, { cause }),
      };
    }
    return { kind: "failed", error: cause instanceof IDunnoError ? cause : asIDunnoError(error) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}

/** A host with several addresses is refused only when each of them is. */
function isRefusal(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isRefusal);
  return error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
}
