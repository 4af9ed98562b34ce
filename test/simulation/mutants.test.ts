/** The list of mutants follows the code: `npm run sim:mutants` is too long for a test, what it needs is not. */
import { readFile } from "node:fs/promises";
import test from "ava";
import { allMutants } from "./mutants/lists/all.ts";
import { waiting } from "./mutants/lists/waiting.ts";
import { mutated } from "./mutants/mutant.ts";
import { worlds } from "./mutants/worlds.ts";

test("the text of every mutant occurs once in its file, and is changed", async (t) => {
  for (const mutant of allMutants) {
    const source = await readFile(mutant.file, "utf8");
    t.not(mutated(source, mutant), source, mutant.name);
  }
});

test("mutants have names of their own", (t) => {
  t.is(new Set(allMutants.map(({ name }) => name)).size, allMutants.length);
});

test("every mutant has a world, and whoever waits is a mutant", (t) => {
  for (const { name, world } of allMutants) t.not(worlds[world], undefined, name);
  const names = allMutants.map(({ name }) => name);
  t.deepEqual(
    Object.keys(waiting).filter((name) => !names.includes(name)),
    [],
  );
});
