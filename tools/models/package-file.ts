/**
 * Finds a file inside an installed package. Packages that carry data rarely list it in `exports`, so
 * Node's resolver would refuse the path; this walks the same `node_modules` folders and asks for less.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { IDunnoError } from "../../src/lib/errors.ts";

const require = createRequire(import.meta.url);

/**
 * The absolute path of `path` inside the package `name`.
 * @throws NOT_FOUND when the package is not installed or has no such file
 */
export function packageFile(name: string, path: string): string {
  for (const folder of require.resolve.paths(name) ?? []) {
    const file = join(folder, name, path);
    if (existsSync(file)) return file;
  }
  throw new IDunnoError("NOT_FOUND", {
    kind: "file",
    name: `${name}/${path}`,
    remedy: "install the development dependencies with 'npm ci'",
  });
}
