/**
 * The plan of the house: which folder may import which, which package has which door, and that the pure
 * folders are pure. When this table and design change, they change together (ARCHITECTURE.md shows it).
 */
import { readdir, readFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import test from "ava";

/** Who may import whom. A folder may always import itself; reading downwards, nothing imports upwards. */
const layers: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  raft: ["lib"],
  scheduler: ["lib"],
  sdfs: ["lib"],
  machine: ["lib", "scheduler", "sdfs"],
  inference: ["lib"],
  net: ["lib", "raft", "machine"],
  node: ["lib", "raft", "scheduler", "sdfs", "machine", "inference", "net"],
  client: ["lib"],
  cli: ["lib", "client", "node"],
};

/** Each third-party package has one door (a file, or a folder ending in "/") into the code base. */
const doors: Readonly<Record<string, string>> = {
  typebox: "lib/schema.ts",
  "typebox/compile": "lib/schema.ts",
  msgpackr: "lib/msgpack.ts",
  level: "node/stores/level.ts",
  "onnxruntime-node": "inference/onnx.ts",
  sharp: "inference/image.ts",
  fastify: "node/http/",
  "@fastify/type-provider-typebox": "node/http/",
  pino: "node/log.ts",
  "prom-client": "node/metrics.ts",
  commander: "cli/",
  "cli-table3": "cli/",
};

/** Folders without clock, chance, timers, promises or I/O; `lib` is pure but for its two doors to packages. */
const pure = ["lib/", "raft/", "scheduler/", "machine/", "sdfs/catalog/"];
/** What waits or closes is asynchronous by nature and lives in `lib` for all to share. */
const asynchronousByNature = new Set(["lib/scope.ts"]);

const root = resolve("src");
const specifiers = /(?:^|\n)(?:import|export)\b[^;]*?from\s+"([^"]+)"|\bimport\("([^"]+)"\)/g;

const files = (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".ts"));

test("there are source files to check", (t) => {
  t.true(files.length > 10);
});

test("an executor's process and threads load no schemas, which would double the time that they take to start", async (t) => {
  const seen = new Set<string>();
  const load = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    const source = await readFile(file, "utf8");
    // Types are gone when it runs.
    for (const [statement, from] of source.matchAll(specifiers))
      if (from?.startsWith(".") && !statement.trimStart().startsWith("import type"))
        await load(resolve(dirname(file), from));
  };
  for (const entry of ["inference/child.ts", "inference/thread.ts"])
    await load(resolve(root, entry));
  t.true(seen.has(resolve(root, "inference/onnx.ts")));
  t.false(seen.has(resolve(root, "lib/schema.ts")));
});

for (const file of files) {
  test(`${file} keeps to its layer`, async (t) => {
    const source = await readFile(resolve(root, file), "utf8");
    const layer = file.split("/", 1)[0] ?? "";
    t.true(Object.hasOwn(layers, layer), `${layer} is not a layer`);
    for (const [, from, dynamic] of source.matchAll(specifiers)) {
      const specifier = from ?? dynamic ?? "";
      if (specifier.startsWith("node:")) continue;
      if (!specifier.startsWith(".")) {
        const door = doors[specifier];
        t.true(
          door !== undefined && (door.endsWith("/") ? file.startsWith(door) : file === door),
          `${specifier} may only be imported by ${door ?? "no one yet"}`,
        );
        continue;
      }
      const target = relative(root, resolve(root, dirname(file), specifier)).split("/", 1)[0] ?? "";
      t.true(
        target === layer || layers[layer]?.includes(target),
        `${layer} may not import ${target}`,
      );
    }
  });

  if (pure.some((folder) => file.startsWith(folder)) && !asynchronousByNature.has(file))
    test(`${file} is pure: nothing in it is asynchronous`, async (t) => {
      const source = await readFile(resolve(root, file), "utf8");
      const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
      t.notRegex(code, /\basync\b|\bawait\b|"node:/);
    });
}
