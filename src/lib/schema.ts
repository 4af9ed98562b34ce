/**
 * The one door to TypeBox: a schema gives the type, the compiled validator and the OpenAPI entry.
 * Untrusted bytes and bodies become typed values through {@link parser}, or a MALFORMED error that names the path.
 */
import { type Static, type TSchema, Type } from "typebox";
import { Compile } from "typebox/compile";
import { IDunnoError } from "./errors.ts";

export { type Static, type TSchema, Type };

/**
 * Compiles a schema into a function that returns the value typed, or throws MALFORMED naming the first wrong field.
 * @param what how the value is called in the error: `PUT /v1/files body`, `dev.json`
 */
export function parser<S extends TSchema>(schema: S, what: string): (value: unknown) => Static<S> {
  const compiled = Compile(schema);
  return (value) => {
    if (compiled.Check(value)) return value as Static<S>;
    const [first] = compiled.Errors(value);
    throw new IDunnoError("MALFORMED", {
      path: `${what}${first?.instancePath ?? ""}`,
      expected: first?.message ?? "another shape",
    });
  };
}
