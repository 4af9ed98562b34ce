import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import test from "ava";
import { forwardLines, MAX_LINE_CHARACTERS, MAX_LINES } from "../../src/inference/stderr-lines.ts";

async function lines(...chunks: readonly string[]): Promise<string[]> {
  const stream = new PassThrough();
  const seen: string[] = [];
  forwardLines(stream, (line) => seen.push(line));
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await finished(stream);
  return seen;
}

test("lines are put together from chunks, the last one without its end too", async (t) => {
  t.deepEqual(await lines("one\ntw", "o\n\nthree"), ["one", "two", "three"]);
});

test("long lines are cut", async (t) => {
  const [line] = await lines("x".repeat(10 * MAX_LINE_CHARACTERS), "y\n");
  t.is(line, "x".repeat(MAX_LINE_CHARACTERS));
});

test("a child that prints without end fills no log", async (t) => {
  const seen = await lines("noise\n".repeat(3 * MAX_LINES));
  t.is(seen.length, MAX_LINES + 1);
  t.regex(seen.at(-1) ?? "", /dropped/);
});
