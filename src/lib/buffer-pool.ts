/**
 * Buffers of a chunk's size, used again. Fresh memory for each chunk costs its page faults, and makes V8 collect the whole
 * heap every few chunks, since it counts what lies outside of the heap: a quarter of the time of a put.
 *
 * B1 A buffer is given back only when nobody reads or writes it any more: nothing that may still be under way, such as a
 *    request that has timed out, holds a part of it. Who is not sure keeps it, and the collector takes it in the end.
 */

/** Buffers kept beyond a moment's need: a few chunks on their way in and out. */
const keptAtMost = 16;

export class BufferPool {
  /** Of each buffer. */
  readonly bytes: number;
  /** Held weakly: a collection, which is rare while buffers are used again, lets go of those that nobody needs. */
  readonly #free: WeakRef<ArrayBuffer>[] = [];
  /** Those given out, so that nothing else, and nothing twice, is taken back. */
  readonly #out = new WeakSet<ArrayBufferLike>();

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** A buffer with whatever was in it. @param length at most {@link bytes} */
  take(length = this.bytes): Uint8Array<ArrayBuffer> {
    if (length > this.bytes) throw new RangeError(`${length} bytes of a buffer of ${this.bytes}`);
    let buffer: ArrayBuffer | undefined;
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop()) {
      buffer = free.deref();
      if (buffer !== undefined) break;
    }
    buffer ??= new ArrayBuffer(this.bytes);
    this.#out.add(buffer);
    return new Uint8Array(buffer, 0, length);
  }

  /** B1. Any part of a buffer gives it back whole; what is not from here is let alone. */
  give({ buffer }: Uint8Array): void {
    if (!this.#out.delete(buffer) || !(buffer instanceof ArrayBuffer)) return;
    if (this.#free.length < keptAtMost) this.#free.push(new WeakRef(buffer));
  }
}
