/**
 * Buffers of a chunk's size, used again. Fresh memory for each chunk costs its page faults, and makes V8 collect the whole
 * heap every few chunks, since it counts what lies outside of the heap: a quarter of the time of a put.
 *
 * B1 A buffer is given back only when nobody reads or writes it any more: nothing that may still be under way, such as a
 *    request that has timed out, holds a part of it. Who is not sure keeps it, and the collector takes it in the end.
 */

/** Buffers kept beyond a moment's need: a few chunks on their way in and out. */
const keptAtMost = 16;
/** What has not been needed for so long is let go, in ms. */
const idleMs = 5_000;

export class BufferPool {
  /** Of each buffer. */
  readonly bytes: number;
  #free: ArrayBuffer[] = [];
  /** Those given out, so that nothing else, and nothing twice, is taken back. */
  readonly #out = new WeakSet<ArrayBufferLike>();
  /** The fewest that were free since the timer last looked: so many were not needed. */
  #spare = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** A buffer with whatever was in it. @param length at most {@link bytes} */
  take(length = this.bytes): Uint8Array<ArrayBuffer> {
    if (length > this.bytes) throw new RangeError(`${length} bytes of a buffer of ${this.bytes}`);
    const buffer = this.#free.pop() ?? new ArrayBuffer(this.bytes);
    this.#spare = Math.min(this.#spare, this.#free.length);
    this.#out.add(buffer);
    return new Uint8Array(buffer, 0, length);
  }

  /** B1. Any part of a buffer gives it back whole; what is not from here is let alone. */
  give({ buffer }: Uint8Array): void {
    if (!this.#out.delete(buffer) || !(buffer instanceof ArrayBuffer)) return;
    if (this.#free.length < keptAtMost) this.#free.push(buffer);
    this.#timer ??= setInterval(() => this.#trim(), idleMs).unref();
  }

  #trim(): void {
    this.#free.splice(0, this.#spare);
    this.#spare = this.#free.length;
    if (this.#free.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
