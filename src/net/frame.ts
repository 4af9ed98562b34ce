/**
 * What travels between nodes: `[u32 BE head bytes][u32 BE body bytes][head: MessagePack][body: raw bytes]`.
 * Chunks ride in the body, so that four megabytes never pass through an encoder. The decoder takes bytes
 * however the socket cuts them and copies each of them once, into a buffer of exactly the announced size.
 */
import type { BufferPool } from "../lib/buffer-pool.ts";
import { chunkBuffers } from "../lib/content.ts";
import { IDunnoError } from "../lib/errors.ts";
import { pack, unpack } from "../lib/msgpack.ts";

export interface Frame {
  readonly head: unknown;
  /**
   * Owned by whoever receives the frame: nothing else holds or overwrites it. Who has done with it may give it to
   * {@link chunkBuffers}, where a large one is from.
   */
  readonly body: Uint8Array;
}

export interface FrameLimits {
  readonly headBytes: number;
  readonly bodyBytes: number;
}

/** Head: room for one append of many log entries. Body: a chunk of 4 MiB, and 64 KiB that nobody needs yet. */
export const frameLimits: FrameLimits = {
  headBytes: 16 * 1024 * 1024,
  bodyBytes: 4 * 1024 * 1024 + 64 * 1024,
};

/** Bodies of at least this size are in buffers that are used again. */
const pooledBytes = 512 * 1024;

/** Two 32-bit lengths. */
export const prefixBytes = 8;

export const noBody: Uint8Array = new Uint8Array(0);

/**
 * A frame as the byte strings to write one after the other. `body` is not copied: leave it alone until it is sent.
 * @throws IDunnoError TOO_LARGE
 */
export function encodeFrame(head: unknown, body: Uint8Array = noBody): readonly Uint8Array[] {
  const packed = pack(head);
  refuseTooLarge("the head of a frame", packed.length, frameLimits.headBytes);
  refuseTooLarge("the body of a frame", body.length, frameLimits.bodyBytes);
  const front = new Uint8Array(prefixBytes + packed.length);
  const view = new DataView(front.buffer);
  view.setUint32(0, packed.length);
  view.setUint32(4, body.length);
  front.set(packed, prefixBytes);
  return body.length === 0 ? [front] : [front, body];
}

function refuseTooLarge(what: string, size: number, limit: number): void {
  if (size > limit) throw new IDunnoError("TOO_LARGE", { what, size, limit });
}

/** Give it bytes with {@link push}, take frames with {@link next} until it has none. */
export class FrameDecoder {
  /** May be raised between frames: a stranger gets less memory than a peer. */
  limits: FrameLimits;
  #stage: "prefix" | "head" | "body" = "prefix";
  readonly #prefix = new Uint8Array(prefixBytes);
  #head: Uint8Array = noBody;
  #body: Uint8Array = noBody;
  /** How much of the present stage's buffer has arrived. */
  #filled = 0;
  /** Bytes pushed and not yet taken: `#unread[#at]` from `#offset` on. */
  #unread: Uint8Array[] = [];
  #at = 0;
  #offset = 0;
  #failure: IDunnoError | undefined;

  constructor(limits: FrameLimits = frameLimits) {
    this.limits = limits;
  }

  push(bytes: Uint8Array): void {
    this.#unread.push(bytes);
  }

  /**
   * The next whole frame, or undefined until more bytes are pushed.
   * @throws IDunnoError MALFORMED when the bytes are no frame; from then on always, as the boundaries are lost
   */
  next(): Frame | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#advance();
    } catch (error) {
      if (error instanceof IDunnoError) this.#failure = error;
      throw error;
    }
  }

  #advance(): Frame | undefined {
    for (;;) {
      switch (this.#stage) {
        case "prefix": {
          if (!this.#fill(this.#prefix)) return undefined;
          const view = new DataView(this.#prefix.buffer);
          this.#head = allocate("frame head", view.getUint32(0), this.limits.headBytes);
          this.#body = allocate(
            "frame body",
            view.getUint32(4),
            this.limits.bodyBytes,
            chunkBuffers,
          );
          this.#stage = "head";
          break;
        }
        case "head":
          if (!this.#fill(this.#head)) return undefined;
          this.#stage = "body";
          break;
        case "body": {
          if (!this.#fill(this.#body)) return undefined;
          const [head, body] = [this.#head, this.#body];
          this.#stage = "prefix";
          [this.#head, this.#body] = [noBody, noBody];
          return { head: unpack(head, "frame head"), body };
        }
      }
    }
  }

  /** Moves unread bytes into `target`; true once it is full. */
  #fill(target: Uint8Array): boolean {
    while (this.#filled < target.length) {
      const source = this.#unread[this.#at];
      if (source === undefined) {
        this.#unread = [];
        this.#at = 0;
        return false;
      }
      const part = source.subarray(this.#offset, this.#offset + target.length - this.#filled);
      target.set(part, this.#filled);
      this.#filled += part.length;
      this.#offset += part.length;
      if (this.#offset === source.length) {
        this.#at += 1;
        this.#offset = 0;
      }
    }
    this.#filled = 0;
    return true;
  }
}

/** The memory is the operating system's until bytes arrive, so an announced size alone costs next to nothing. */
function allocate(path: string, size: number, limit: number, pool?: BufferPool): Uint8Array {
  if (size > limit) {
    throw new IDunnoError("MALFORMED", { path, expected: `at most ${limit} bytes, not ${size}` });
  }
  if (size === 0) return noBody;
  const isPooled = pool !== undefined && size >= pooledBytes && size <= pool.bytes;
  return isPooled ? pool.take(size) : new Uint8Array(size);
}
