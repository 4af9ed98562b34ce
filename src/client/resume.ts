/**
 * A long answer that outlives the node that gives it: when the connection breaks, another node is asked for the rest.
 * Possible because what is read is fixed: a version of a file, and results that are the same from every node.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { FileView } from "../lib/api/files.ts";
import { IDunnoError } from "../lib/errors.ts";
import type { Call, OpenAnswer, Transport } from "./transport.ts";
import { TryElsewhere, Unanswered } from "./retry.ts";

/** A body that follows a running job may pause while no query ends; after so long the connection is made anew. */
const followIdleMs = 60_000;

/** Between two connections that broke without bringing anything: so as not to spin. */
const pauseMs = 50;

interface Resumable<T> {
  /** The call for what comes after the first `done` units. */
  readonly call: (done: number) => Call;
  /** Reads items from an answer to `call(done)`. */
  readonly decode: (answer: OpenAnswer, done: number) => AsyncIterable<T>;
  /** How many units an item is. */
  readonly units: (item: T) => number;
  /** Units that the caller has already. */
  readonly from?: number;
}

/** @throws what {@link untilAnswered} throws, when nobody gives the rest before the time is over without a unit */
async function* resumed<T>(
  transport: Transport,
  { call, decode, units, from = 0 }: Resumable<T>,
): AsyncGenerator<T> {
  let done = from;
  let deadline = transport.deadline();
  for (;;) {
    const before = done;
    const answer = await transport.open(call(done), deadline);
    try {
      for await (const item of decode(answer, done)) {
        done += units(item);
        yield item;
      }
      return;
    } catch (error) {
      if (!(error instanceof Unanswered || error instanceof TryElsewhere)) throw error;
      transport.ring.leave(answer.node);
      const quiet = error instanceof Unanswered && error.kind === "silent";
      if (done > before || (quiet && call(done).idleMs !== undefined))
        deadline = transport.deadline();
      else if (deadline.remainingMs <= 0) {
        const { method, path } = call(done);
        const details = { what: `${method} ${decodeURI(path)}`, afterMs: deadline.elapsedMs };
        throw new IDunnoError("TIMED_OUT", details, { cause: error });
      } else await sleep(pauseMs);
    } finally {
      answer.close();
    }
  }
}

/** The bytes of one version of a file, from an offset on. */
export async function* download(
  transport: Transport,
  call: Call,
  file: FileView,
  from: number,
): AsyncGenerator<Uint8Array> {
  // There is no range of no bytes.
  if (from > 0 && from >= file.bytes) return;
  yield* resumed(transport, {
    call: (done) => (done === 0 ? call : { ...call, headers: { range: `bytes=${done}-` } }),
    // A node may answer a range with the whole.
    decode: ({ status, body }, done) =>
      wholly(skipBytes(body, status === 206 ? 0 : done), file, done),
    units: (piece) => piece.byteLength,
    from,
  });
}

/** The lines of a body; with `follow` it may pause for as long as it wants. */
export function followLines(
  transport: Transport,
  call: Call,
  follow: boolean,
): AsyncGenerator<string> {
  return resumed(transport, {
    call: () => (follow ? { ...call, idleMs: followIdleMs } : call),
    decode: ({ body }, done) => lines(body, done),
    units: () => 1,
  });
}

/** @throws MALFORMED when the bytes end before, or go on after, the length that the file has */
async function* wholly(
  body: AsyncIterable<Uint8Array>,
  file: FileView,
  done: number,
): AsyncGenerator<Uint8Array> {
  let bytes = done;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes > file.bytes) break;
    yield piece;
  }
  if (bytes !== file.bytes)
    throw new IDunnoError("MALFORMED", {
      path: `content of ${file.path}@${file.version}`,
      expected: `${file.bytes} bytes`,
    });
}

/** The bytes of an answer without the first `skip`. */
async function* skipBytes(
  body: AsyncIterable<Uint8Array>,
  skip: number,
): AsyncGenerator<Uint8Array> {
  let left = skip;
  for await (const piece of body) {
    if (left >= piece.byteLength) left -= piece.byteLength;
    else {
      yield left === 0 ? piece : piece.subarray(left);
      left = 0;
    }
  }
}

/** The lines of an answer without the first `skip`, each without its end of line. */
async function* lines(body: AsyncIterable<Uint8Array>, skip: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let seen = 0;
  for await (const piece of body) {
    const parts = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) if (++seen > skip) yield line;
  }
  if (rest !== "" && ++seen > skip) yield rest;
}
