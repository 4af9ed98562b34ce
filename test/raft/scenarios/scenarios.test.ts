/**
 * Every file under cases/ is a test of its own: the group's life there, line by line. cases/algebra plays
 * without nodes. `IDUNNO_REWRITE=1` writes what came out into the files (runner.ts).
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import test from "ava";
import { playAlgebra } from "./algebra.ts";
import { playGroup } from "./directives.ts";
import { failed, playFile } from "./runner.ts";

const root = resolve("test/raft/scenarios/cases");
const files = (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".txt"));

for (const file of files.toSorted())
  test(basename(file, ".txt"), async (t) => {
    const play = file.startsWith("algebra") ? playAlgebra() : playGroup();
    const { expected, actual } = await playFile(join(root, file), play);
    t.is(actual, expected);
    t.false(actual.includes(`\n${failed} `), "a directive could not be carried out");
  });

test("every pitfall of docs/raft-pitfalls.md is there, and names scenarios that are", async (t) => {
  const rows = (await readFile(resolve("docs/raft-pitfalls.md"), "utf8"))
    .split("\n")
    .filter((line) => /^\| [SP]\d/.test(line));
  t.is(rows.length, 24 + 20);
  const names = files.map((file) => basename(file, ".txt"));
  for (const row of rows)
    for (const [, list = ""] of row.matchAll(/scenarios? ((?:`\w+`(?:, )?)+)/g))
      for (const [, name = ""] of list.matchAll(/`(\w+)`/g)) t.true(names.includes(name), name);
});
