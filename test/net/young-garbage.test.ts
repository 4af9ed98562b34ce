/**
 * That what sockets read into is collected before it is much. When V8 marks its whole heap is its own affair, and differs
 * from run to run; its reason to do so, 64 MiB outside of it, is not there if this holds.
 */
import { GCProfiler } from "node:v8";
import test from "ava";
import { bytesPerCollection, sawBytes } from "../../src/net/young-garbage.ts";

const pieceBytes = 64 * 1024;

/** Bytes come in pieces, of which none is kept: as a socket's, each in a turn of its own. */
async function read(bytes: number, onPiece: () => void = () => undefined): Promise<void> {
  for (let seen = 0; seen < bytes; seen += pieceBytes) {
    sawBytes(Buffer.allocUnsafeSlow(pieceBytes).length);
    onPiece();
    await new Promise(setImmediate);
  }
}

test.serial("the young generation is collected once for so many bytes", async (t) => {
  const profiler = new GCProfiler();
  profiler.start();
  await read(8 * bytesPerCollection);
  const kinds = profiler.stop().statistics.map(({ gcType }) => gcType);
  t.true(kinds.filter((kind) => kind === "Scavenge").length >= 8, kinds.join(", "));
});

test.serial("so little of it is there at any time, a quarter of what makes V8 mark", async (t) => {
  await read(2 * bytesPerCollection);
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  await read(48 * bytesPerCollection, () => {
    most = Math.max(most, process.memoryUsage().arrayBuffers);
  });
  // What a collection frees is swept beside it, and counted when the next one begins. Untold, it was twice as much.
  t.true(most - before <= 4 * bytesPerCollection, `${most - before} bytes`);
});
