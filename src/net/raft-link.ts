/**
 * Our raft lane to one peer, dialled again for as long as the peer is wanted. It is also the failure detector of
 * design section 9: a refused dial shortly after an established connection closed means that the process died.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { IDunnoError } from "../lib/errors.ts";
import { pack } from "../lib/msgpack.ts";
import type { Random } from "../lib/random.ts";
import type { Runtime } from "../lib/runtime.ts";
import { Connection } from "./connection.ts";
import type { Dialled } from "./dial.ts";
import { frameLimits } from "./frame.ts";
import type { Hello } from "./handshake.ts";
import type { NetLimits } from "./limits.ts";

/** Coalesced messages of one turn go out in frames of about this size, so that the receiver yields in between. Arbitrary. */
const coalescedBytes = 1024 * 1024;
/** What the envelope around one message takes, generously. */
const envelopeBytes = 64;

export interface RaftLinkHandlers {
  connected(hello: Hello): void;
  disconnected(): void;
  refused(): void;
  trouble(error: IDunnoError): void;
}

export interface RaftLinkOptions {
  readonly name: string;
  readonly limits: NetLimits;
  readonly runtime: Pick<Runtime, "every">;
  readonly random: Random;
  readonly dial: (signal: AbortSignal) => Promise<Dialled>;
}

export class RaftLink {
  readonly #options: RaftLinkOptions;
  readonly #handlers: RaftLinkHandlers;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #up: { readonly connection: Connection; readonly boot: string } | undefined;
  #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #lastTrouble = "";

  constructor(options: RaftLinkOptions, handlers: RaftLinkHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#ended = this.#run();
  }

  get isConnected(): boolean {
    return this.#up !== undefined;
  }

  /**
   * Queues a message; what is sent in one turn leaves in one frame.
   * @returns false when it was dropped
   * @throws IDunnoError TOO_LARGE
   */
  send(payload: unknown): boolean {
    if (this.#up === undefined) return false;
    const bytes = pack(payload);
    const limit = frameLimits.headBytes - envelopeBytes;
    if (bytes.length > limit) {
      throw new IDunnoError("TOO_LARGE", { what: "a raft message", size: bytes.length, limit });
    }
    const queued = this.#outgoingBytes + this.#up.connection.queuedBytes;
    if (queued > 0 && queued + bytes.length > this.#options.limits.raftQueueBytes) return false;
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#flush());
    this.#outgoing.push(bytes);
    this.#outgoingBytes += bytes.length;
    return true;
  }

  /** The peer lives on under another boot id: a connection to the old process is worth nothing. */
  forget(boot: string): void {
    if (this.#up?.boot !== boot) this.#up?.connection.destroy();
  }

  /** Sends what is queued, hangs up and dials no more. Says nothing to the handlers from now on. */
  async close(): Promise<void> {
    this.#flush();
    this.#stop.abort();
    await this.#up?.connection.close();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { limits, random, dial } = this.#options;
    const { signal } = this.#stop;
    let windowEndsAt = Number.NEGATIVE_INFINITY;
    let backoffMs = limits.redialMs;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const dialled = await dial(signal);
      let inWindow = startedAt < windowEndsAt;
      if (dialled.kind === "up") {
        await this.#hold(dialled);
        windowEndsAt = performance.now() + limits.hintWindowMs;
        inWindow = true;
        backoffMs = limits.redialMs;
      } else if (!signal.aborted) {
        this.#report(dialled.error);
        if (dialled.kind === "refused" && inWindow) {
          this.#handlers.refused();
          // Said once; whether and when it comes back is not urgent.
          windowEndsAt = Number.NEGATIVE_INFINITY;
          inWindow = false;
        }
      }
      // At least half of it, so that nodes which lost the same peer do not return to it in step.
      const pauseMs = inWindow ? limits.redialMs : random.between(backoffMs >> 1, backoffMs);
      if (!inWindow) backoffMs = Math.min(backoffMs * 2, limits.backoffMaxMs);
      await pause(startedAt + pauseMs - performance.now(), signal);
    }
  }

  /** Until the connection closes. */
  async #hold({ framed, hello }: Dialled & { kind: "up" }): Promise<void> {
    const { name, limits, runtime } = this.#options;
    const ping = { runtime, everyMs: limits.pingMs, silenceMs: limits.raftSilenceMs, always: true };
    const { raftQueueBytes: queueBytes, closeGraceMs } = limits;
    const options = { name, queueBytes, served: 1, closeGraceMs, ping };
    const connection = new Connection(framed, options, {});
    if (this.#stop.signal.aborted) return connection.close();
    this.#up = { connection, boot: hello.boot };
    this.#lastTrouble = "";
    this.#handlers.connected(hello);
    const why = await connection.closed;
    this.#up = undefined;
    [this.#outgoing, this.#outgoingBytes] = [[], 0];
    if (this.#stop.signal.aborted) return;
    if (why instanceof IDunnoError) this.#report(why);
    this.#handlers.disconnected();
  }

  #flush(): void {
    const messages = this.#outgoing;
    [this.#outgoing, this.#outgoingBytes] = [[], 0];
    let frame: Uint8Array[] = [];
    let bytes = 0;
    for (const message of messages) {
      if (frame.length > 0 && bytes + message.length > coalescedBytes) {
        this.#up?.connection.send(frame);
        [frame, bytes] = [[], 0];
      }
      frame.push(message);
      bytes += message.length;
    }
    if (frame.length > 0) this.#up?.connection.send(frame);
  }

  /** The same trouble at each dial is news once. */
  #report(error: IDunnoError): void {
    if (error.message === this.#lastTrouble) return;
    this.#lastTrouble = error.message;
    this.#handlers.trouble(error);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  // Rejects only when aborted, which the caller's loop looks at itself.
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
