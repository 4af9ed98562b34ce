/** That what sockets read into does not make V8 mark its whole heap again and again. */
import { GCProfiler } from "node:v8";
import test from "ava";
import { bytesPerCollection, sawBytes } from "../../src/net/young-garbage.ts";

const pieceBytes = 64 * 1024;

/** The kinds of the collections while so many bytes come in pieces, of which none is kept. */
async function collections(bytes: number, onPiece: (bytes: number) => void): Promise<string[]> {
  const profiler = new GCProfiler();
  profiler.start();
  for (let seen = 0; seen < bytes; seen += pieceBytes) {
    onPiece(Buffer.allocUnsafeSlow(pieceBytes).length);
    // As the pieces of a socket: each in a turn of its own.
    await new Promise(setImmediate);
  }
  return profiler.stop().statistics.map(({ gcType }) => gcType);
}

test.serial("the young generation is collected once for so many bytes", async (t) => {
  const kinds = await collections(8 * bytesPerCollection, sawBytes);
  t.true(kinds.filter((kind) => kind === "Scavenge").length >= 8, kinds.join(", "));
});

test.serial("so V8 has no reason to mark the whole heap, as it would otherwise", async (t) => {
  const bytes = 96 * bytesPerCollection;
  const marks = (kinds: readonly string[]): number =>
    kinds.filter((kind) => kind !== "Scavenge").length;
  const [told, untold] = [
    marks(await collections(bytes, sawBytes)),
    marks(await collections(bytes, () => undefined)),
  ];
  t.true(told < untold, `${told} marks, otherwise ${untold}`);
});
