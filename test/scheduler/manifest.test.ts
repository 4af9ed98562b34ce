import test from "ava";
import fc from "fast-check";
import { chunkBytes } from "../../src/lib/content.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { pack } from "../../src/lib/msgpack.ts";
import { FileVersion } from "../../src/lib/types.ts";
import {
  type ManifestInput,
  decodeSegment,
  encodeManifest,
  encodeSegment,
  manifestInput,
  segmentInputs,
  segmentOf,
} from "../../src/scheduler/manifest.ts";
import { hashOf } from "../machine/fixtures.ts";
import { decodesOrIsMalformed } from "../lib/damage.ts";
import { holds } from "../lib/property.ts";

const input = fc
  .record({
    path: fc
      .string({ minLength: 1, maxLength: 20, unit: "binary" })
      .filter((p) => !/\p{Cs}/u.test(p)),
    version: fc.integer({ min: 1, max: 1e9 }).map(FileVersion),
    bytes: fc.integer({ min: 1, max: 100 * 1024 * 1024 }),
    chunks: fc.array(
      fc.nat().map((n) => ({ hash: hashOf(n) })),
      { minLength: 1, maxLength: 18 },
    ),
  })
  .map(manifestInput);

const many = (count: number, path = "p"): ManifestInput[] =>
  Array.from({ length: count }, (_, n) => ({
    path: `${path}${String(n).padStart(8, "0")}`,
    version: FileVersion(1),
    bytes: 1,
    tooLarge: false,
    chunks: [hashOf(n)],
  }));

test("a segment is read back as written", (t) => {
  holds(
    t,
    fc.property(fc.array(input, { minLength: 1, maxLength: 20 }), (inputs) => {
      t.deepEqual(decodeSegment(encodeSegment(inputs)), inputs);
    }),
    100,
  );
});

test("input i lies in segment floor(i / 2,048)", (t) => {
  const inputs = many(2 * segmentInputs + 1);
  const segments = [...encodeManifest(inputs)].map(decodeSegment);
  t.deepEqual(
    segments.map((s) => s.length),
    [segmentInputs, segmentInputs, 1],
  );
  for (const i of [0, segmentInputs - 1, segmentInputs, 2 * segmentInputs])
    t.deepEqual(segments[segmentOf(i)]?.[i % segmentInputs], inputs[i]);
});

test("the largest segment there can be fits a chunk", (t) => {
  const chunks = Array.from({ length: 16 }, (_, n) => hashOf(n));
  const path = "x".repeat(1_016);
  const version = FileVersion(2 ** 52);
  const largest = many(segmentInputs, path).map((i) => ({ ...i, chunks, version, bytes: 2 ** 26 }));
  t.is(largest[0]?.path.length, 1_024);
  t.true(encodeSegment(largest).length <= chunkBytes);
});

test("an input over 64 MiB, or in more pieces than that takes, keeps its name but not its chunks", (t) => {
  const file = { path: "big", version: FileVersion(1), bytes: 64 * 1024 * 1024 };
  const pieces = (n: number) => Array.from({ length: n }, (_, i) => ({ hash: hashOf(i) }));
  t.like(manifestInput({ ...file, chunks: pieces(16) }), { tooLarge: false });
  t.like(manifestInput({ ...file, chunks: pieces(17) }), { tooLarge: true, chunks: [] });
  const larger = manifestInput({ ...file, bytes: file.bytes + 1, chunks: pieces(16) });
  t.like(larger, { tooLarge: true, chunks: [] });
});

test("bytes that are no segment are MALFORMED, and never crash the reader", (t) => {
  const bad: unknown[] = [
    null,
    [],
    [2, []],
    [1, []],
    [1, [["p", 1, 1]], 0],
    [1, [["", 1, 1]]],
    [1, [["p", 0, 1]]],
    [1, [["p", 1, -1]]],
    [1, [["p", 1, 1, new Uint8Array(31)]]],
    [1, [["p", 1, 1, new Uint8Array(0)]]],
    [1, [["p", 1, 1, new Uint8Array(17 * 32)]]],
    [1, [["p", 1, 1, "hashes"]]],
    [1, "inputs"],
    [1, ["p"]],
    [1, [["p", 1]]],
    [1, [["p", 1, 1, new Uint8Array(32), 0]]],
    [1, [[7, 1, 1]]],
    [1, [["p", "1", 1]]],
    [1, [["p", 1.5, 1]]],
    [1, many(segmentInputs + 1).map(() => ["p", 1, 1])],
  ];
  for (const value of bad) {
    const error = t.throws(() => decodeSegment(pack(value)));
    t.true(hasCode(error, "MALFORMED"), JSON.stringify(value));
  }
  const segment = fc.array(input, { minLength: 1, maxLength: 4 }).map(encodeSegment);
  decodesOrIsMalformed(t, segment, decodeSegment, 1_000);
});

test("a manifest of any length around a segment's is read back whole, input by input", (t) => {
  const lengths = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 }))
    .map(([segments, more]) => Math.max(0, segments * segmentInputs + more));
  holds(
    t,
    fc.property(lengths, input, (length, other) => {
      const inputs = many(length).map((each, i) => (i % 7 === 3 ? other : each));
      const segments = [...encodeManifest(inputs)].map(decodeSegment);
      t.is(segments.length, Math.ceil(length / segmentInputs));
      for (const i of [0, segmentInputs - 1, segmentInputs, length - 1])
        if (i >= 0 && i < length)
          t.deepEqual(segments[segmentOf(i)]?.[i % segmentInputs], inputs[i]);
      t.deepEqual(
        segments.flat().map(({ path }) => path),
        inputs.map(({ path }) => path),
      );
    }),
    15,
  );
});
