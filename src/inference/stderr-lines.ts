/**
 * A child's stderr as log lines, bounded: a network can make onnxruntime print without end.
 */
import type { Readable } from "node:stream";

/** Longer lines are cut: no sentence of ours or of onnxruntime's is. */
export const MAX_LINE_CHARACTERS = 2000;
/** Per process; what comes after is read and dropped. Enough for any start and any crash. */
export const MAX_LINES = 500;

export function forwardLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  let lines = 0;
  const emit = (line: string): void => {
    lines += 1;
    if (line !== "" && lines <= MAX_LINES) onLine(line.slice(0, MAX_LINE_CHARACTERS));
    if (lines === MAX_LINES) onLine(`(more than ${MAX_LINES} lines: the rest is dropped)`);
  };
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    // What lies beyond the limit of an unfinished line would be cut anyway.
    rest = (parts.pop() ?? "").slice(0, MAX_LINE_CHARACTERS);
    for (const line of parts) emit(line);
  });
  stream.on("end", () => emit(rest));
}
