/**
 * Equal values, equal bytes: rebuilds an object with the fields of its schema in the schema's order, `undefined` ones
 * and unknown ones left out, so that however it was put together it is encoded alike. One definition then gives the
 * type, the validator and the field order.
 */
import { type TSchema } from "./schema.ts";

/** The parts of a JSON schema that decide field order. */
interface Shape {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape | readonly Shape[];
}

type Rebuild = (value: unknown) => unknown;

/**
 * Compiles a schema into the function that puts its values in order. Objects may lie in objects and in arrays; branches
 * of unions must not contain objects. The value must already have the schema's shape, but for the order.
 */
export function canonical(schema: TSchema): Rebuild {
  return compile(schema as Shape) ?? ((value) => value);
}

/** undefined where there is nothing to put in order. */
function compile(shape: Shape): Rebuild | undefined {
  if (shape.type === "object" && shape.properties !== undefined)
    return rebuildObject(shape.properties);
  const { items } = shape;
  if (shape.type !== "array" || items === undefined || !("type" in items)) return undefined;
  const item = compile(items);
  return item === undefined ? undefined : (value) => (value as readonly unknown[]).map(item);
}

function rebuildObject(properties: Readonly<Record<string, Shape>>): Rebuild {
  const fields = Object.entries(properties).map(([name, shape]) => [name, compile(shape)] as const);
  return (value) => {
    const source = value as Readonly<Record<string, unknown>>;
    const rebuilt: Record<string, unknown> = {};
    for (const [name, rebuild] of fields) {
      const field = source[name];
      if (field !== undefined) rebuilt[name] = rebuild === undefined ? field : rebuild(field);
    }
    return rebuilt;
  };
}
