/** Histories in few words, for tests. */
import type { FileInput, FileOutput, RegisterInput, RegisterOutput } from "./models.ts";
import type { Operation } from "./operation.ts";

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;
export type FileOperation = Operation<FileInput, FileOutput>;

/** From call to return; without a return it was never answered. */
export type Span = readonly [call: number, end?: number];

function operation<I, O>(
  [call, end]: Span,
  input: I,
  output: O | undefined,
  key = "x",
): Operation<I, O> {
  return { client: 1, key, call, return: end, input, output };
}

const known = <O>([, end]: Span, output: O): O | undefined =>
  end === undefined ? undefined : output;

export function write(value: string, span: Span, key?: string): RegisterOperation {
  return operation(span, { kind: "write", value }, known(span, { kind: "ok" }), key);
}

export function read(value: string | undefined, span: Span, key?: string): RegisterOperation {
  const output: RegisterOutput =
    value === undefined ? { kind: "not-found" } : { kind: "value", value };
  return operation(span, { kind: "read" }, known(span, output), key);
}

export function cas(
  from: string,
  to: string,
  kind: "ok" | "conflict",
  span: Span,
): RegisterOperation {
  return operation(span, { kind: "cas", from, to }, known(span, { kind }));
}

export function unset(kind: "ok" | "not-found", span: Span): RegisterOperation {
  return operation(span, { kind: "remove" }, known(span, { kind }));
}

/** @param answer the version, or how it was refused */
export function put(
  content: string,
  answer: number | "conflict" | "not-found",
  span: Span,
  ifVersion?: number,
): FileOperation {
  const output: FileOutput =
    typeof answer === "number" ? { kind: "stored", version: answer } : { kind: answer };
  return operation(span, { kind: "put", content, ifVersion }, known(span, output));
}

export function remove(kind: "removed" | "not-found", span: Span): FileOperation {
  return operation(span, { kind: "remove" }, known(span, { kind }));
}

export function found(version: number, content: string | undefined, span: Span): FileOperation {
  return operation(span, { kind: "read" }, known(span, { kind: "found", version, content }));
}

export function missing(span: Span): FileOperation {
  return operation(span, { kind: "read" }, known(span, { kind: "not-found" }));
}
