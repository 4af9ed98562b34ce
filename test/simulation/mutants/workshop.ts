/** A copy of the sources in a folder of its own, with one mistake in it, compiled by the compiler of this repository. */
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Mutant, mutated } from "./mutant.ts";
import type { World } from "./worlds.ts";

/** Of the repository; this file runs as dist/test/simulation/mutants/workshop.js. */
export const root = fileURLToPath(new URL("../../../../", import.meta.url));

const run = promisify(execFile);

/** Folders that are there now: whoever ends the run from outside leaves none behind. */
const folders = new Set<string>();
process.on("exit", () => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

export interface Copy extends AsyncDisposable {
  readonly path: string;
}

/** @param mutant undefined: the code as it is */
export async function copyOf(world: World, mutant: Mutant | undefined): Promise<Copy> {
  const path = await mkdtemp(join(tmpdir(), "idunno-mutant-"));
  folders.add(path);
  const dispose = async (): Promise<void> => {
    await rm(path, { recursive: true, force: true });
    folders.delete(path);
  };
  try {
    for (const folder of ["src", "test"])
      await cp(join(root, folder), join(path, folder), { recursive: true });
    await cp(join(root, "package.json"), join(path, "package.json"));
    await symlink(resolve(root, "node_modules"), join(path, "node_modules"), "junction");
    if (mutant !== undefined) {
      const file = join(path, mutant.file);
      await writeFile(file, mutated(await readFile(file, "utf8"), mutant));
    }
    await writeFile(join(path, "tsconfig.json"), JSON.stringify(project(world)));
    await compile(path, mutant?.name ?? "the code as it is");
  } catch (error) {
    await dispose();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: dispose };
}

function project(world: World): unknown {
  return {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      rootDir: ".",
      outDir: "dist",
      // What a mistake leaves unused is no other mistake.
      noUnusedLocals: false,
      noUnusedParameters: false,
      sourceMap: false,
      declaration: false,
      declarationMap: false,
    },
    include: [],
    files: ["test/simulation/mutants/hunt.ts", world.module],
  };
}

/** A mutant has a type: what the compiler refuses would be killed for nothing. */
async function compile(path: string, what: string): Promise<void> {
  try {
    await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", path]);
  } catch (error) {
    const said = error instanceof Error && "stdout" in error ? String(error.stdout) : String(error);
    throw new Error(`${what} does not compile: ${said}`, { cause: error });
  }
}
