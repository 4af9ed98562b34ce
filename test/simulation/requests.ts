/** What simulated clients put and read, and how they take an error. */
import type { ErrorCode, IDunnoError } from "../../src/lib/errors.ts";

/** What a request came to. `unknown`: it may have been carried out, or may yet be. */
export type Outcome<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "refused"; readonly error: IDunnoError }
  | { readonly kind: "unknown" };

/** Nothing was decided, or the key guards it: asked again. */
export const retried: ReadonlySet<ErrorCode> = new Set([
  "NOT_LEADER",
  "NO_LEADER",
  "UNREACHABLE",
  "CLOSED",
  "BUSY",
  "TIMED_OUT",
  "NO_SPACE",
  "TOO_FEW_COPIES",
  "STALE_CATALOG",
  "CHUNK_UNAVAILABLE",
]);
/** Said for certain, and kept under the key: nothing was changed and never will be. */
export const refusals: ReadonlySet<ErrorCode> = new Set(["NOT_FOUND", "CONFLICT"]);

export async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

export async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const bytes of content) text += new TextDecoder().decode(bytes);
  return text;
}
