/** Random bytes in memory, as sources of puts: what SDFS has never seen, so that nothing is saved by knowing it. */
import { randomFillSync } from "node:crypto";
import type { ByteSource } from "../../src/client/client.ts";

/** Bytes given to the generator, and to a stream, at once. */
const pieceBytes = 1024 * 1024;
/** What "MB" means: as disks and networks count. */
export const MB = 1_000_000;

export function pieces(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / pieceBytes);
  return Array.from({ length: count }, (_, i) =>
    bytes.subarray(i * pieceBytes, (i + 1) * pieceBytes),
  );
}

/** Overwrites all of it. */
export function refill(bytes: Uint8Array): void {
  // In pieces: one call takes less than 2 GiB, and holds up the signals of Ctrl-C.
  for (const piece of pieces(bytes)) randomFillSync(piece);
}

export function sourceOf(bytes: Uint8Array): ByteSource {
  return {
    kind: "reopen",
    open: async function* () {
      yield* pieces(bytes);
    },
  };
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
