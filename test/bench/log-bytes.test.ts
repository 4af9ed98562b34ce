import test from "ava";
import { logBytes } from "../../bench/tiny/log-bytes.ts";

/** A log of entries 5 to 900, each of as many bytes as its index; a page is shorter than asked for. */
const read = async ({ from, limit }: { readonly from: number; readonly limit: number }) => {
  const first = Math.max(5, from);
  const count = Math.max(0, Math.min(limit, 37, 900 - first + 1));
  return {
    entries: Array.from({ length: count }, (_, i) => ({ index: first + i, bytes: first + i })),
  };
};

test("the bytes of all entries between two are added up, both counted", async (t) => {
  t.is(await logBytes(read, { from: 10, to: 10 }), 10);
  t.is(await logBytes(read, { from: 101, to: 300 }), ((101 + 300) * 200) / 2);
});

test("entries that the log has no more, or not yet, are an error", async (t) => {
  await t.throwsAsync(logBytes(read, { from: 3, to: 10 }), { message: /compacted/ });
  await t.throwsAsync(logBytes(read, { from: 890, to: 901 }), { message: /log entry/ });
});

test("nothing in between is no bytes", async (t) => {
  t.is(await logBytes(read, { from: 11, to: 10 }), 0);
});
