/**
 * Compares what was to be encoded with what a decoder reads back. Protobuf libraries drop what they do not
 * know and bend what they do (a BigInt becomes 0, a Float32Array is cut), without a word; this says where.
 */

/**
 * The path of the first difference, or undefined when all that was intended is there. Fields that only the
 * decoded value has are its defaults and do not count.
 * @param path what the value is called in the answer
 */
export function firstDifference(
  intended: unknown,
  decoded: unknown,
  path: string,
): string | undefined {
  if (intended instanceof Uint8Array)
    return decoded instanceof Uint8Array && Buffer.compare(intended, decoded) === 0
      ? undefined
      : path;
  if (typeof intended === "number")
    return [intended, Math.fround(intended)].includes(asNumber(decoded)) ? undefined : path;
  if (typeof intended !== "object" || intended === null)
    return Object.is(intended, decoded) ? undefined : path;
  if (typeof decoded !== "object" || decoded === null) return path;
  if (Array.isArray(intended) && (!Array.isArray(decoded) || decoded.length !== intended.length))
    return path;
  for (const [key, value] of Object.entries(intended)) {
    const got: unknown = Reflect.get(decoded, key);
    const difference = firstDifference(value, got, `${path}.${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** An int64 comes back as a Long object, whose text is the number; whatever is no number equals none. */
function asNumber(value: unknown): number {
  return typeof value === "object" && value !== null ? Number(value) : Number(value ?? Number.NaN);
}
