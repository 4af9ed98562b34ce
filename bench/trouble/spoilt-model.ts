/**
 * A sound network to which is added what no network should do, on every picture that is not black: so it passes the
 * run on zeros that adding a model makes, costs what the sound one costs, and then hangs or ends its process.
 *
 * In the protobuf encoding, a message behind a message adds to its lists: the file is the sound one with more bytes.
 */
import { assert } from "../../src/lib/types.ts";
import { createHash } from "node:crypto";
import proto from "onnx-proto";
import { floats, idleLoop, int, value, wholes } from "../../tools/models/odd-nodes.ts";
import { type ModelBytes, variantOf } from "../model-variant.ts";

const { ModelProto, TensorProto } = proto.onnx;

/** `aborts` divides the least whole number by -1, which x86 answers with SIGFPE; `hangs` goes round for ever. */
export type Spoilt = "aborts" | "hangs";

/** A network sees black at 0 or below, whatever its scale. */
const blackest = 0.02;
/** Rounds of a loop that nobody sees the end of. */
const forEver = 2n ** 50n;

type Node = proto.onnx.INodeProto;

/** @param name of the spoilt model: at most 64 characters, as a manifest's name has to be */
export function spoilt({ manifest, bytes }: ModelBytes, how: Spoilt, name: string): ModelBytes {
  assert(manifest.input !== undefined, "what is spoilt takes images");
  const more = ModelProto.encode({
    graph: {
      node: [...isBright(manifest.input.name), ...(how === "hangs" ? hangs : aborts)],
      initializer: [
        floats("spoilt_black", [], Float32Array.of(blackest)),
        wholes("spoilt_trips", [], forEver),
        wholes("spoilt_least", [], -(2n ** 63n)),
        wholes("spoilt_minus_one", [], -1n),
      ],
      // Nobody asks for it, but what leads to an output is run.
      output: [wholeNumber("spoilt")],
    },
  }).finish();
  const changed = Buffer.concat([bytes, more]);
  const sha256 = createHash("sha256").update(changed).digest("hex");
  return variantOf({ manifest: { ...manifest, sha256 }, bytes: changed }, name);
}

/** 1 if any pixel of the run's pictures is not black, or else 0. */
function isBright(input: string): readonly Node[] {
  return [
    {
      opType: "ReduceMax",
      input: [input],
      output: ["spoilt_brightest"],
      attribute: [int("keepdims", 0)],
    },
    { opType: "Greater", input: ["spoilt_brightest", "spoilt_black"], output: ["spoilt_bright"] },
    {
      opType: "Cast",
      input: ["spoilt_bright"],
      output: ["spoilt_one"],
      attribute: [int("to", TensorProto.DataType.INT64)],
    },
  ];
}

const aborts: readonly Node[] = [
  { opType: "Mul", input: ["spoilt_one", "spoilt_least"], output: ["spoilt_dividend"] },
  { opType: "Div", input: ["spoilt_dividend", "spoilt_minus_one"], output: ["spoilt"] },
];

const hangs: readonly Node[] = [
  { opType: "Mul", input: ["spoilt_one", "spoilt_trips"], output: ["spoilt_rounds"] },
  idleLoop({ trips: "spoilt_rounds", input: "spoilt_one", output: "spoilt" }, wholeNumber),
];

function wholeNumber(name: string): proto.onnx.IValueInfoProto {
  return value(name, [], TensorProto.DataType.INT64);
}
