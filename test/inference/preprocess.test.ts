import test from "ava";
import { Packer } from "../../src/inference/preprocess.ts";
import type { ImageClassifier } from "../../src/lib/model-manifest.ts";
import { asTheyAre } from "../lib/manifests.ts";

type Plan = Pick<ImageClassifier, "input" | "preprocessing">;

function plan(input: Partial<Plan["input"]> = {}, how: Partial<Plan["preprocessing"]> = {}): Plan {
  return {
    input: { name: "image", layout: "nchw", height: 1, width: 2, ...input },
    preprocessing: { ...asTheyAre, ...how },
  };
}

const twoPixels = { rgb: Uint8Array.of(1, 2, 3, 4, 5, 6), width: 2, height: 1 };

function packed(packer: Packer, image = twoPixels, n = 1, at = 0): number[] {
  const batch = packer.batch(n).fill(-1);
  packer.pack(image, batch, at);
  return [...batch];
}

test("nchw has channel planes, nhwc has pixels", (t) => {
  t.deepEqual(packed(new Packer(plan())), [1, 4, 2, 5, 3, 6]);
  t.deepEqual(packed(new Packer(plan({ layout: "nhwc" }))), [1, 2, 3, 4, 5, 6]);
  t.deepEqual(new Packer(plan()).shape(5), [5, 3, 1, 2]);
  t.deepEqual(new Packer(plan({ layout: "nhwc" })).shape(5), [5, 1, 2, 3]);
});

test("bgr turns the channels round", (t) => {
  const how = { channelOrder: "bgr" } as const;
  t.deepEqual(packed(new Packer(plan({}, how))), [3, 6, 2, 5, 1, 4]);
  t.deepEqual(packed(new Packer(plan({ layout: "nhwc" }, how))), [3, 2, 1, 6, 5, 4]);
});

test("mean and std are in the order of the channels as the network sees them", (t) => {
  const how = { channelOrder: "bgr", mean: [10, 20, 30], std: [1, 2, 4] } as const;
  const packer = new Packer(
    plan({}, { ...how, mean: [...how.mean], std: [...how.std] } as Partial<Plan["preprocessing"]>),
  );
  t.deepEqual(packed(packer), [-7, -4, -9, -7.5, -7.25, -6.5]);
});

test("every step is rounded to float32", (t) => {
  const f = Math.fround;
  const packer = new Packer(
    plan(
      { width: 256 },
      { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    ),
  );
  const rgb = Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3));
  const batch = packed(packer, { rgb, width: 256, height: 1 });
  for (let v = 0; v < 256; v += 1)
    t.is(batch[v], f(f(f(v * f(1 / 255)) - f(0.485)) / f(0.229)), `red ${v}`);
});

test("an image goes to its own place in the batch", (t) => {
  const batch = packed(new Packer(plan()), twoPixels, 3, 1);
  t.deepEqual(batch, [...Array(6).fill(-1), 1, 4, 2, 5, 3, 6, ...Array(6).fill(-1)]);
});

test("what a smaller image leaves free is 0 after normalising", (t) => {
  const packer = new Packer(plan({ height: 2, width: 3 }, { mean: [1, 1, 1] }));
  t.deepEqual(packed(packer), [0, 3, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 2, 5, 0, 0, 0, 0]);
});

test("grey is one channel of luma, and a grey image stays what it is", (t) => {
  const grey = { channelOrder: "grey", mean: [10, 99, 99], std: [2, 99, 99] } as const;
  const packer = new Packer(
    plan({}, { ...grey, mean: [...grey.mean], std: [...grey.std] } as Partial<
      Plan["preprocessing"]
    >),
  );
  const image = { rgb: Uint8Array.of(255, 0, 0, 0, 255, 0), width: 2, height: 1 };
  // PIL: Image.new("RGB", (1, 1), (255, 0, 0)).convert("L") is 76, green is 150.
  t.deepEqual(packed(packer, image), [33, 70]);
  t.deepEqual(packer.shape(3), [3, 1, 1, 2]);
  const plain = new Packer(plan({ layout: "nhwc", width: 256 }, { channelOrder: "grey" }));
  t.deepEqual(plain.shape(3), [3, 1, 256, 1]);
  const rgb = Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3));
  t.deepEqual(
    packed(plain, { rgb, width: 256, height: 1 }),
    Array.from({ length: 256 }, (_, v) => v),
  );
});

test("a uint8 input gets the bytes themselves", (t) => {
  const packer = new Packer(plan({ type: "uint8", layout: "nhwc" }, { channelOrder: "bgr" }));
  const batch = packer.batch(2);
  t.true(batch instanceof Uint8Array);
  packer.pack(twoPixels, batch, 1);
  t.deepEqual([...batch], [0, 0, 0, 0, 0, 0, 3, 2, 1, 6, 5, 4]);
});
