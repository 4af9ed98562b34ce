/**
 * The bytes of a put. A retry has to send them from the start, so a source is a way to open them, not an open stream;
 * what can be read only once (standard input) is retried only while nothing was read of it.
 */
import { asIDunnoError, IDunnoError } from "../lib/errors.ts";

export type ByteStream = AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>;

export type ByteSource =
  /** Called for each try; every stream that it returns has the same bytes. */
  | { readonly kind: "reopen"; readonly open: () => ByteStream }
  | { readonly kind: "once"; readonly stream: ByteStream };

/** A source in use by one request with its retries. */
export class Upload {
  readonly #what: string;
  readonly #source: ByteSource;
  #bytes = 0;
  #failure: IDunnoError | undefined;

  /** @param what names the target in errors */
  constructor(what: string, source: ByteSource) {
    this.#what = what;
    this.#source = source;
  }

  /** What the source itself threw: no other node can help. */
  get failure(): IDunnoError | undefined {
    return this.#failure;
  }

  /** @throws CLOSED when the bytes are gone with an earlier try */
  open(): AsyncGenerator<Uint8Array> {
    if (this.#source.kind === "reopen") return this.#read(this.#source.open());
    if (this.#bytes > 0)
      throw new IDunnoError("CLOSED", {
        what: `the connection for ${this.#what}, after ${this.#bytes} bytes of a stream that cannot be read again (run the command again, or put a file),`,
      });
    return this.#read(unclosed(this.#source.stream));
  }

  async *#read(stream: ByteStream): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of stream) {
        // An empty piece would end a chunked body early.
        if (piece.byteLength === 0) continue;
        this.#bytes += piece.byteLength;
        yield piece;
      }
    } catch (error) {
      this.#failure = asIDunnoError(error);
      throw this.#failure;
    }
  }
}

/** The stream, left open when its reader stops: the next try goes on with it. */
function unclosed(stream: ByteStream): AsyncIterable<Uint8Array> {
  const iterator = stream[Symbol.asyncIterator]();
  return { [Symbol.asyncIterator]: () => ({ next: async () => iterator.next() }) };
}
