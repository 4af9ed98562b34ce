import proto from "onnx-proto";
import test from "ava";
import { OnnxSession } from "../../tools/models/onnx-session.ts";
import { OnnxWriter } from "../../tools/models/onnx-writer.ts";
import { firstDifference } from "../../tools/models/round-trip.ts";

test("a model that was written runs", async (t) => {
  const out = new OnnxWriter();
  out.node("Mul", ["x", out.floats("two", [], Float32Array.of(2))], "y");
  const session = await OnnxSession.open(
    out.encode("double", [{ name: "x", shape: ["N", 2] }], [{ name: "y", shape: ["N", 2] }]),
  );
  const x = { shape: [1, 2], values: Float32Array.of(1.5, -4) };
  t.deepEqual(await session.run(x, ["y"]), [{ shape: [1, 2], values: Float32Array.of(3, -8) }]);
  await session.close();
});

test("a size that no int64 holds is refused, not written as something else", (t) => {
  const out = new OnnxWriter();
  out.node("Relu", ["x"], "y");
  const x = { name: "x", shape: [2 ** 64] };
  const error = t.throws(() => out.encode("odd", [x], [{ name: "y", shape: ["N"] }]));
  t.like(error, { code: "BAD_MODEL" });
  t.regex(error?.message ?? "", /model\.graph\.input\.0\..*dimValue did not survive/);
});

test("the comparison sees each thing that onnx-proto is known to lose", (t) => {
  const { TensorProto } = proto.onnx;
  const lost = (tensor: object): string | undefined => {
    const bytes = TensorProto.encode(tensor as proto.onnx.ITensorProto).finish();
    return firstDifference(tensor, TensorProto.decode(bytes), "tensor");
  };
  t.is(lost({ name: "t", dims: [2, 3], dataType: 1, rawData: Uint8Array.of(1, 2) }), undefined);
  t.is(lost({ dims: [2n] }), "tensor.dims.0", "a BigInt becomes 0");
  t.is(lost({ rawData: Float32Array.of(0.5) }), "tensor.rawData.0", "a Float32Array is cut");
  t.is(lost({ nmae: "t" }), "tensor.nmae", "an unknown field vanishes");
});

test("bytes that are no model are refused", async (t) => {
  await t.throwsAsync(OnnxSession.open(Uint8Array.of(1, 2, 3)), { code: "BAD_MODEL" });
});
