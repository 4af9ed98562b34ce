/**
 * What a Keras layers model looks like as TensorFlow.js stores it, as far as the converter understands it.
 * A literal here is a promise the converter relies on: a model that says otherwise is refused, not guessed at.
 */
import { parser, type Static, Type } from "../../src/lib/schema.ts";

const Pair = Type.Tuple([Type.Integer(), Type.Integer()]);
/** The channels are last in every tensor here: by its number, or counted from the end. */
const ChannelAxis = Type.Union([Type.Literal(3), Type.Literal(-1)]);

/** The settings of all layer kinds together; which of them are present depends on the kind. */
const LayerConfig = Type.Object({
  batch_input_shape: Type.Optional(
    Type.Tuple([Type.Null(), Type.Integer(), Type.Integer(), Type.Literal(3)]),
  ),
  data_format: Type.Optional(Type.Literal("channels_last")),
  axis: Type.Optional(ChannelAxis),
  activation: Type.Optional(Type.String()),
  use_bias: Type.Optional(Type.Boolean()),
  padding: Type.Optional(
    Type.Union([Type.Literal("same"), Type.Literal("valid"), Type.Tuple([Pair, Pair])]),
  ),
  strides: Type.Optional(Pair),
  dilation_rate: Type.Optional(Pair),
  kernel_size: Type.Optional(Pair),
  pool_size: Type.Optional(Pair),
  depth_multiplier: Type.Optional(Type.Literal(1)),
  epsilon: Type.Optional(Type.Number()),
  max_value: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  negative_slope: Type.Optional(Type.Literal(0)),
  threshold: Type.Optional(Type.Literal(0)),
});
export type LayerConfig = Static<typeof LayerConfig>;

/** A reference to the tensor a layer makes: its name, two indices that are 0 in such models, and arguments. */
const TensorReference = Type.Tuple([
  Type.String(),
  Type.Literal(0),
  Type.Literal(0),
  Type.Object({}),
]);

const Layer = Type.Object({
  class_name: Type.String(),
  name: Type.String(),
  config: LayerConfig,
  inbound_nodes: Type.Array(Type.Array(TensorReference), { maxItems: 1 }),
});
export type Layer = Static<typeof Layer>;

const WeightSpec = Type.Object({
  name: Type.String(),
  shape: Type.Array(Type.Integer({ minimum: 1 })),
  dtype: Type.Literal("float32"),
  quantization: Type.Optional(
    Type.Object({
      dtype: Type.Union([Type.Literal("uint8"), Type.Literal("uint16")]),
      scale: Type.Number(),
      min: Type.Number(),
    }),
  ),
});
export type WeightSpec = Static<typeof WeightSpec>;

const ModelJson = Type.Object({
  modelTopology: Type.Object({
    model_config: Type.Object({
      config: Type.Object({
        layers: Type.Array(Layer, { minItems: 1 }),
        output_layers: Type.Tuple([Type.Tuple([Type.String(), Type.Literal(0), Type.Literal(0)])]),
      }),
    }),
  }),
  weightsManifest: Type.Array(Type.Object({ weights: Type.Array(WeightSpec) })),
});

/** Checks a `model.json`. @throws MALFORMED with the path of what is not understood */
export const parseModelJson: (value: unknown) => Static<typeof ModelJson> = parser(
  ModelJson,
  "model.json",
);
