/**
 * A TCP socket that carries frames. It knows nothing of what they mean: it decodes, bounds what waits to go out,
 * and tells once that it has closed. Until somebody receives, nothing is read.
 */
import type { Socket } from "node:net";
import { IDunnoError } from "../lib/errors.ts";
import { sawBytes } from "./young-garbage.ts";
import { type Frame, FrameDecoder, type FrameLimits } from "./frame.ts";

/** An idle connection of a machine that went without a word is noticed in the end. Not what failures are detected by. */
const keepAliveMs = 60_000;

export class FramedSocket {
  /** Resolves, never rejects, when the socket is closed: with what went wrong, or undefined after an orderly end. */
  readonly closed: Promise<Error | undefined>;
  readonly #socket: Socket;
  readonly #decoder: FrameDecoder;
  #handler: ((frame: Frame) => void) | undefined;
  #pumping = false;
  #corked = false;
  #failure: Error | undefined;

  constructor(socket: Socket, limits: FrameLimits) {
    this.#socket = socket;
    this.#decoder = new FrameDecoder(limits);
    // A heartbeat must not wait for the acknowledgement of the one before it (Nagle).
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
    this.closed = new Promise((resolve) => {
      socket.on("error", (error) => (this.#failure ??= error));
      socket.once("close", () => resolve(this.#failure));
    });
  }

  get open(): boolean {
    return this.#socket.writable;
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  set limits(limits: FrameLimits) {
    this.#decoder.limits = limits;
  }

  /** Writes one frame. All that one turn writes leaves in one system call. The caller looks at {@link queuedBytes} first. */
  write(parts: readonly Uint8Array[]): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      // After all promises that this turn settles: a hundred answers to one commit then leave together.
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    for (const part of parts) this.#socket.write(part);
  }

  /** From now on every frame goes to `handler`. An IDunnoError thrown by it closes the socket; any other ends the process. */
  receive(handler: (frame: Frame) => void): void {
    this.#handler = handler;
    if (this.#socket.listenerCount("data") === 0) {
      this.#socket.on("data", (bytes: Uint8Array) => {
        sawBytes(bytes.length);
        this.#decoder.push(bytes);
        this.#pump();
      });
    }
    this.#pump();
    if (this.#handler !== undefined) this.#socket.resume();
  }

  /**
   * The next frame alone; reading stops behind it.
   * @throws IDunnoError when the socket closes first: why we closed it (MALFORMED), or CLOSED (cause: why)
   */
  async first(what: string): Promise<Frame> {
    const arrived = new Promise<Frame>((resolve) => {
      this.receive((frame) => {
        this.#handler = undefined;
        this.#socket.pause();
        resolve(frame);
      });
    });
    const frame = await Promise.race([arrived, this.closed]);
    if (frame instanceof IDunnoError) throw frame;
    if (frame === undefined || frame instanceof Error) {
      throw new IDunnoError("CLOSED", { what }, { cause: frame });
    }
    return frame;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Runs `then` when the outgoing queue has emptied. */
  onceDrained(then: () => void): void {
    this.#socket.once("drain", then);
  }

  /** Sends what is queued, then says that no more follows. */
  end(): void {
    this.#socket.end();
    this.#socket.resume();
  }

  destroy(why?: IDunnoError): void {
    this.#failure ??= why;
    this.#handler = undefined;
    this.#socket.destroy();
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#handler !== undefined) {
        const frame = this.#decoder.next();
        if (frame === undefined) return;
        this.#handler(frame);
      }
    } catch (error) {
      if (!(error instanceof IDunnoError)) throw error;
      this.destroy(error);
    } finally {
      this.#pumping = false;
    }
  }
}
