/** That what sockets read into does not make V8 mark its whole heap again and again. */
import { GCProfiler } from "node:v8";
import test from "ava";
import { bytesPerCollection, sawBytes } from "../../src/net/young-garbage.ts";

const pieceBytes = 64 * 1024;
/** In which V8 marks at least twice, wherever it runs. */
const mostBytes = 8 * 1024 ** 3;

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
  const marks = (kinds: readonly string[]): number =>
    kinds.filter((kind) => kind !== "Scavenge").length;
  // How soon it would is V8's own affair: other garbage of the moment may put it off.
  let bytes = 48 * bytesPerCollection;
  let untold = 0;
  while (untold < 2 && bytes < mostBytes) {
    bytes *= 2;
    untold = marks(await collections(bytes, () => undefined));
  }
  const told = marks(await collections(bytes, sawBytes));
  t.true(told < untold, `${told} marks, otherwise ${untold}, in ${bytes} bytes`);
});
