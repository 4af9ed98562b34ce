/** A turn's frames leave together: each system call costs more than the frame in it. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import test from "ava";
import { encodeFrame, FrameDecoder, frameLimits } from "../../src/net/frame.ts";
import { FramedSocket } from "../../src/net/framed-socket.ts";

/** As far as a framed socket needs one; remembers what each write to the system carried. */
class Recorder extends Duplex {
  readonly writes: Buffer[] = [];

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  override _read(): void {
    // Nothing comes.
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.writes.push(Buffer.from(chunk));
    done();
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    done();
  }
}

function setUp(): { recorder: Recorder; framed: FramedSocket } {
  const recorder = new Recorder();
  return { recorder, framed: new FramedSocket(recorder as unknown as Socket, frameLimits) };
}

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what promises of one turn write leaves in one system call, in order", async (t) => {
  const { recorder, framed } = setUp();
  const answers = Array.from({ length: 5 }, async (_, n) => {
    // Some settle later than others, yet in the same turn.
    for (let hop = 0; hop < n; hop += 1) await Promise.resolve();
    framed.write(encodeFrame(n, Buffer.from([n])));
  });
  await Promise.all(answers);
  await turn();
  t.is(recorder.writes.length, 1);
  const decoder = new FrameDecoder();
  decoder.push(recorder.writes[0] ?? Buffer.alloc(0));
  for (let n = 0; n < 5; n += 1) t.deepEqual(decoder.next()?.head, n);
  framed.write(encodeFrame("later"));
  await turn();
  t.is(recorder.writes.length, 2);
});

test("what waits for the end of the turn counts as queued, and ending the socket sends it", async (t) => {
  const { recorder, framed } = setUp();
  const parts = encodeFrame("last", Buffer.alloc(100));
  framed.write(parts);
  t.is(framed.queuedBytes, Buffer.concat([...parts]).length);
  framed.end();
  await turn();
  t.is(Buffer.concat(recorder.writes).length, Buffer.concat([...parts]).length);
});
