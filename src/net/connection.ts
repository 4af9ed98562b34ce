/**
 * Messages, requests and replies over one framed socket. A request ends in its reply, a typed error, its time-out,
 * its caller's signal, or CLOSED when the connection ends: never not at all.
 */
import { AssertionFailure } from "../lib/types.ts";
import { asIDunnoError, fromWire, IDunnoError } from "../lib/errors.ts";
import type { Runtime, Timer } from "../lib/runtime.ts";
import { type Envelope, parseEnvelope } from "./envelope.ts";
import { encodeFrame, type Frame, noBody } from "./frame.ts";
import type { FramedSocket } from "./framed-socket.ts";
import { type Patience, within } from "./within.ts";

export interface Reply {
  readonly head: unknown;
  readonly body?: Uint8Array;
}

export interface ConnectionHandlers {
  /** One-way messages. An IDunnoError thrown here closes the connection. */
  readonly onMessage?: (head: unknown, body: Uint8Array) => void;
  /** A rejection travels back as the error that it is. */
  readonly onRequest?: (head: unknown, body: Uint8Array) => Promise<Reply>;
}

export interface ConnectionOptions {
  /** For errors: `the bulk lane to n2`. */
  readonly name: string;
  /** Bytes that may wait to be written. A frame is always taken when nothing waits. */
  readonly queueBytes: number;
  /** Requests served at once; beyond, the socket is not read. */
  readonly served: number;
  readonly closeGraceMs: number;
  /** Given on the side that dialled: ask every `everyMs`, and close after `silenceMs` without a byte from the peer. */
  readonly ping?: {
    readonly runtime: Pick<Runtime, "every">;
    readonly everyMs: number;
    readonly silenceMs: number;
    /** Also when no request is pending. */
    readonly always: boolean;
  };
}

interface Pending {
  readonly resolve: (reply: Required<Reply>) => void;
  readonly reject: (error: IDunnoError) => void;
}

export class Connection implements AsyncDisposable {
  readonly name: string;
  readonly #framed: FramedSocket;
  readonly #options: ConnectionOptions;
  readonly #handlers: ConnectionHandlers;
  readonly #pending = new Map<number, Pending>();
  readonly #serving = new Set<Promise<void>>();
  #nextId = 0;
  /** Not reading, because of `#throttle`. */
  #full = false;
  #draining = false;
  readonly #pinger: Timer | undefined;
  #bytesRead = 0;
  #silentMs = 0;

  constructor(framed: FramedSocket, options: ConnectionOptions, handlers: ConnectionHandlers) {
    this.name = options.name;
    this.#framed = framed;
    this.#options = options;
    this.#handlers = handlers;
    // `closed` never rejects.
    void framed.closed.then((why) => this.#onClosed(why));
    const { ping } = options;
    if (ping !== undefined) this.#pinger = ping.runtime.every(ping.everyMs, () => this.#ping(ping));
    framed.receive((frame) => this.#onFrame(frame));
  }

  /** Resolves when the connection is gone: with what went wrong, or undefined after an orderly end. */
  get closed(): Promise<Error | undefined> {
    return this.#framed.closed;
  }

  get open(): boolean {
    return this.#framed.open;
  }

  /** Bytes that wait to be written. */
  get queuedBytes(): number {
    return this.#framed.queuedBytes;
  }

  /**
   * Sends a one-way message. `body` must not change until it is written.
   * @returns false when it was dropped: the connection is closed or its queue full
   * @throws IDunnoError TOO_LARGE
   */
  send(head: unknown, body?: Uint8Array): boolean {
    return this.#write({ kind: "message", head }, body);
  }

  /**
   * Asks and waits for the answer.
   * @throws IDunnoError the peer's own, or TIMED_OUT, CLOSED, BUSY (queue full), TOO_LARGE
   */
  async request(
    head: unknown,
    body: Uint8Array | undefined,
    patience: Patience,
  ): Promise<Required<Reply>> {
    const id = this.#nextId;
    this.#nextId += 1;
    if (!this.open) throw new IDunnoError("CLOSED", { what: this.name });
    if (!this.#write({ kind: "request", id, head }, body)) {
      throw new IDunnoError("BUSY", { what: this.name, limit: this.#options.queueBytes });
    }
    const answer = new Promise<Required<Reply>>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
    });
    try {
      return await within(answer, `a request over ${this.name}`, patience);
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Finishes the requests being served, within the grace time, and ends. Pending requests of ours end at once. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), this.#options.closeGraceMs);
    this.#failPending(undefined);
    await Promise.race([Promise.all(this.#serving), this.closed]);
    this.#framed.end();
    await this.closed;
    clearTimeout(timer);
  }

  destroy(why?: IDunnoError): void {
    this.#framed.destroy(why);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onFrame({ head, body }: Frame): void {
    const envelope = parseEnvelope(head);
    switch (envelope.kind) {
      case "message":
        if (this.#handlers.onMessage === undefined) throw unexpected(envelope);
        this.#handlers.onMessage(envelope.head, body);
        break;
      case "request": {
        if (this.#handlers.onRequest === undefined) throw unexpected(envelope);
        const served = this.#serve(envelope.id, this.#handlers.onRequest, envelope.head, body);
        this.#serving.add(served);
        this.#throttle();
        // `#serve` rejects only with a broken invariant, which is to end the process.
        void served.finally(() => {
          this.#serving.delete(served);
          this.#throttle();
        });
        break;
      }
      // An id that is no longer pending belongs to a request that timed out or was cancelled.
      case "reply":
        this.#pending.get(envelope.id)?.resolve({ head: envelope.head, body });
        break;
      case "failure":
        this.#pending.get(envelope.id)?.reject(fromWire(envelope.error));
        break;
      case "ping":
        this.#write({ kind: "pong" });
        break;
      case "pong":
        break;
    }
  }

  async #serve(
    id: number,
    onRequest: NonNullable<ConnectionHandlers["onRequest"]>,
    head: unknown,
    body: Uint8Array,
  ): Promise<void> {
    try {
      const reply = await onRequest(head, body);
      this.#answer({ kind: "reply", id, head: reply.head }, reply.body);
    } catch (error) {
      if (error instanceof AssertionFailure) throw error;
      this.#answer({ kind: "failure", id, error: asIDunnoError(error).toWire() });
    }
  }

  /** Answers are never dropped: `#throttle` bounds them by not reading further requests. */
  #answer(envelope: Envelope, body?: Uint8Array): void {
    if (!this.open) return;
    this.#framed.write(encodeFrame(envelope, body));
    this.#throttle();
  }

  /** Stops reading while too much is being served or waits to be written, and starts again afterwards. */
  #throttle(): void {
    const queueFull = this.queuedBytes > this.#options.queueBytes;
    const full = queueFull || this.#serving.size >= this.#options.served;
    if (queueFull && !this.#draining) {
      this.#draining = true;
      this.#framed.onceDrained(() => {
        this.#draining = false;
        this.#throttle();
      });
    }
    if (full === this.#full || !this.open) return;
    this.#full = full;
    if (full) this.#framed.pause();
    else this.#framed.resume();
  }

  #write(envelope: Envelope, body: Uint8Array = noBody): boolean {
    if (!this.open) return false;
    const parts = encodeFrame(envelope, body);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    if (this.queuedBytes > 0 && this.queuedBytes + bytes > this.#options.queueBytes) return false;
    this.#framed.write(parts);
    return true;
  }

  #ping(ping: NonNullable<ConnectionOptions["ping"]>): void {
    const { bytesRead } = this.#framed;
    const waiting = ping.always || this.#pending.size > 0;
    this.#silentMs = waiting && bytesRead === this.#bytesRead ? this.#silentMs + ping.everyMs : 0;
    this.#bytesRead = bytesRead;
    if (this.#silentMs > ping.silenceMs) {
      this.destroy(new IDunnoError("TIMED_OUT", { what: this.name, afterMs: ping.silenceMs }));
    } else if (waiting) this.#write({ kind: "ping" });
  }

  #onClosed(why: Error | undefined): void {
    this.#pinger?.cancel();
    this.#failPending(why);
  }

  #failPending(cause: Error | undefined): void {
    for (const { reject } of this.#pending.values()) {
      reject(new IDunnoError("CLOSED", { what: this.name }, { cause }));
    }
    this.#pending.clear();
  }
}

function unexpected({ kind }: Envelope): IDunnoError {
  return new IDunnoError("MALFORMED", { path: "frame", expected: `no ${kind} on this lane` });
}
