/** Buffers that are used again. B1 is numbered in buffer-pool.ts. */
import test from "ava";
import fc from "fast-check";
import { BufferPool } from "../../src/lib/buffer-pool.ts";

test("no buffer is out twice, whatever is given back, and how often", (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(99), { maxLength: 200 }), (steps) => {
      const pool = new BufferPool(64);
      const out: Uint8Array[] = [];
      const before: Uint8Array[] = [new Uint8Array(64), new Uint8Array(3)];
      for (const step of steps) {
        if (step % 2 === 0) {
          const taken = pool.take(step % 65);
          t.false(out.some(({ buffer }) => buffer === taken.buffer));
          t.is(taken.length, step % 65);
          out.push(taken);
          continue;
        }
        const [given] = out.splice(step % Math.max(1, out.length), 1);
        if (given !== undefined) before.push(given);
        // A part of it, and some that were given back before or are from elsewhere.
        for (const each of [given, before[step % before.length]])
          if (each !== undefined && !out.some(({ buffer }) => buffer === each.buffer))
            pool.give(each.subarray(1));
      }
    }),
    { numRuns: 200 },
  );
});

test("a buffer that was given back is used again; a foreign one is not", (t) => {
  const pool = new BufferPool(10);
  const first = pool.take();
  pool.give(first);
  const foreign = new Uint8Array(10);
  pool.give(foreign);
  const again = [pool.take(), pool.take(4)];
  t.is(again[0]?.buffer, first.buffer);
  t.false(again.some(({ buffer }) => buffer === foreign.buffer));
  t.throws(() => pool.take(11), { instanceOf: RangeError });
});
