/** Frames: whatever bytes arrive, cut however, they decode to what was sent or give MALFORMED. */
import test from "ava";
import fc from "fast-check";
import { hasCode, IDunnoError } from "../../src/lib/errors.ts";
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  frameLimits,
  prefixBytes,
} from "../../src/net/frame.ts";

const runs = Number(process.env["IDUNNO_RUNS"] ?? 1);

/** The bytes cut at the given places (fractions of the whole, any order). */
function cut(bytes: Uint8Array, fractions: readonly number[]): Uint8Array[] {
  const at = fractions.map((f) => Math.floor(f * bytes.length)).toSorted((a, b) => a - b);
  return [0, ...at].map((start, i) => bytes.slice(start, at[i] ?? bytes.length));
}

function decode(pieces: readonly Uint8Array[], decoder = new FrameDecoder()): Frame[] {
  const frames: Frame[] = [];
  for (const piece of pieces) {
    decoder.push(piece);
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next())
      frames.push(frame);
  }
  return frames;
}

/** Whatever JSON can say, but for one key: msgpackr decodes `__proto__` as `__proto_`, lest it set a prototype. */
const head = fc
  .jsonValue()
  .map((value) => JSON.stringify(value))
  .filter((json) => !json.includes("__proto__"))
  .map((json) => JSON.parse(json) as unknown);
const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 });

test("frames come out as they went in, however the socket cuts them", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ head, body: fc.uint8Array({ maxLength: 300 }) }), { maxLength: 8 }),
      fractions,
      (frames, places) => {
        const bytes = Buffer.concat(frames.flatMap((f) => encodeFrame(f.head, f.body)));
        const plain = (f: Frame): unknown => [JSON.stringify(f.head), [...f.body]];
        t.deepEqual(decode(cut(bytes, places)).map(plain), frames.map(plain));
      },
    ),
    { numRuns: 200 * runs },
  );
  t.pass();
});

test("any bytes decode or give MALFORMED", (t) => {
  const prefix = fc
    .tuple(fc.nat(40), fc.nat(40))
    .map(([headBytes, bodyBytes]) => [0, 0, 0, headBytes, 0, 0, 0, bodyBytes]);
  const nearlyFrames = fc
    .array(fc.oneof(prefix, fc.array(fc.nat(255), { maxLength: 40 })), { maxLength: 6 })
    .map((parts) => Uint8Array.from(parts.flat()));
  let malformed = 0;
  fc.assert(
    fc.property(
      fc.oneof(nearlyFrames, fc.uint8Array({ maxLength: 200 })),
      fractions,
      (bytes, places) => {
        try {
          decode(cut(bytes, places));
        } catch (error) {
          malformed += 1;
          if (!hasCode(error, "MALFORMED")) throw error;
        }
      },
    ),
    { numRuns: 1_000 * runs },
  );
  t.true(malformed > 0, "the property has seen bad bytes");
});

test("a head cannot set a prototype", (t) => {
  const [frame] = decode([Buffer.concat(encodeFrame(JSON.parse('{"__proto__":{"admin":true}}')))]);
  t.is((frame?.head as { admin?: boolean } | undefined)?.admin, undefined);
  t.truthy(frame);
});

test("after bad bytes a decoder stays unusable, as the boundaries are lost", (t) => {
  const decoder = new FrameDecoder();
  decoder.push(Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0));
  t.throws(() => decoder.next(), { instanceOf: IDunnoError, code: "MALFORMED" });
  decoder.push(Buffer.concat(encodeFrame("fine")));
  t.throws(() => decoder.next(), { code: "MALFORMED" });
});

test("sizes above the limits are refused by their prefix alone, and before sending", (t) => {
  for (const [headBytes, bodyBytes] of [
    [frameLimits.headBytes + 1, 0],
    [1, frameLimits.bodyBytes + 1],
  ] as const) {
    const decoder = new FrameDecoder();
    const prefix = new DataView(new ArrayBuffer(prefixBytes));
    prefix.setUint32(0, headBytes);
    prefix.setUint32(4, bodyBytes);
    decoder.push(new Uint8Array(prefix.buffer));
    t.throws(() => decoder.next(), { code: "MALFORMED" });
  }
  t.throws(() => encodeFrame(undefined, new Uint8Array(frameLimits.bodyBytes + 1)), {
    code: "TOO_LARGE",
  });
  t.throws(() => encodeFrame(new Uint8Array(frameLimits.headBytes)), { code: "TOO_LARGE" });
});

test("an empty head is no MessagePack value", (t) => {
  t.throws(() => decode([new Uint8Array(prefixBytes)]), { code: "MALFORMED" });
});

test("a received body is nobody else's: overwriting the packet leaves it alone", (t) => {
  const bytes = new Uint8Array(Buffer.concat(encodeFrame("h", Uint8Array.of(1, 2, 3))));
  const [frame] = decode([bytes]);
  bytes.fill(0);
  t.deepEqual(frame?.body, Uint8Array.of(1, 2, 3));
});

test("the largest frame arrives in small pieces", (t) => {
  const body = new Uint8Array(frameLimits.bodyBytes).map((_, i) => i % 251);
  const bytes = Buffer.concat(encodeFrame("big", body));
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 1_009) pieces.push(bytes.subarray(at, at + 1_009));
  // All pushed before the first is taken, as happens on a paused socket.
  const decoder = new FrameDecoder();
  for (const piece of pieces) decoder.push(piece);
  t.true(Buffer.from(decoder.next()?.body ?? []).equals(body));
  t.is(decoder.next(), undefined);
});
