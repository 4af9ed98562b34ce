import test from "ava";
import { type KerasFiles, readKeras } from "../../tools/models/keras.ts";
import { transpose } from "../../tools/models/transpose.ts";
import { modelJson } from "./tiny-keras.ts";

const layer = { class_name: "Dense", name: "d", from: [] };

function files(weights: readonly object[], bytes: readonly number[]): KerasFiles {
  return {
    name: "tiny",
    modelJson: modelJson([layer], weights),
    weightData: Uint8Array.from(bytes),
  };
}

test("weights of one, two and four bytes a value come one after the other", (t) => {
  const { weights } = readKeras(
    files(
      [
        {
          name: "d/a",
          shape: [3],
          dtype: "float32",
          quantization: { dtype: "uint8", scale: 0.5, min: -1 },
        },
        {
          name: "d/b",
          shape: [1, 2],
          dtype: "float32",
          quantization: { dtype: "uint16", scale: 2, min: 10 },
        },
        { name: "d/c", shape: [1], dtype: "float32" },
      ],
      // 0, 1, 255 · 1 and 258 · 1.5, all little-endian
      [0, 1, 255, 1, 0, 2, 1, 0, 0, 0xc0, 0x3f],
    ),
  );
  t.deepEqual([...(weights.get("d/a")?.values ?? [])], [-1, -0.5, 126.5]);
  t.deepEqual(weights.get("d/b"), { shape: [1, 2], values: Float32Array.of(12, 526) });
  t.deepEqual([...(weights.get("d/c")?.values ?? [])], [1.5]);
});

test("a quantised weight is computed in float64 and rounded once", (t) => {
  const [scale, min] = [0.022262044981414198, -1.4470329237919228];
  const codes = Array.from({ length: 256 }, (_, code) => code);
  const { weights } = readKeras(
    files(
      [
        {
          name: "d/a",
          shape: [256],
          dtype: "float32",
          quantization: { dtype: "uint8", scale, min },
        },
      ],
      codes,
    ),
  );
  const once = codes.map((code) => Math.fround(code * scale + min));
  const twice = codes.map((code) => Math.fround(Math.fround(code * scale) + Math.fround(min)));
  t.notDeepEqual(once, twice, "these numbers tell the two ways apart");
  t.deepEqual([...(weights.get("d/a")?.values ?? [])], once);
});

for (const bytes of [3, 5])
  test(`${bytes} bytes of weights where four are announced are refused`, (t) => {
    const weights = [{ name: "d/a", shape: [1], dtype: "float32" }];
    const error = t.throws(() => readKeras(files(weights, Array(bytes).fill(0))));
    t.like(error, {
      code: "MALFORMED",
      message: `weights of tiny: expected 4 bytes, not ${bytes}`,
    });
  });

test("a setting the converter does not handle is refused with its path", (t) => {
  const wide = { ...layer, config: { depth_multiplier: 2 } };
  const json = modelJson([wide], []);
  const error = t.throws(() =>
    readKeras({ name: "tiny", modelJson: json, weightData: new Uint8Array() }),
  );
  t.like(error, { code: "MALFORMED" });
  t.regex(error?.message ?? "", /^model\.json.*\/layers\/0\/config\/depth_multiplier/);
});

test("transpose moves axis axes[i] to place i", (t) => {
  // The value at [a][b][c][d] is abcd in digits.
  const shape = [2, 3, 4, 5];
  const values: number[] = [];
  for (let a = 0; a < 2; a += 1)
    for (let b = 0; b < 3; b += 1)
      for (let c = 0; c < 4; c += 1)
        for (let d = 0; d < 5; d += 1) values.push(1000 * a + 100 * b + 10 * c + d);
  const result = transpose({ shape, values: Float32Array.from(values) }, [3, 2, 0, 1]);
  t.deepEqual(result.shape, [5, 4, 2, 3]);
  t.deepEqual([...result.values.subarray(0, 7)], [0, 100, 200, 1000, 1100, 1200, 10]);
  t.is(result.values.at(-1), 1234);
  // [d][c][a][b] = [3][1][1][2] lies at ((3 * 4 + 1) * 2 + 1) * 3 + 2.
  t.is(result.values[83], 1213);
});
