/** The id of a chunk folder: a file in it, so that a wiped or new folder is never taken for the old one. */
import { randomUUID } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IDunnoError } from "../../lib/errors.ts";
import { StoreId } from "../../lib/types.ts";
import { isAbsence } from "./chunk-folder.ts";

const idForm = /^s-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The folder's id; a new one, durable before it is returned, when it has none.
 * @throws IDunnoError CORRUPT when the file holds something else
 */
export async function readOrMakeId(directory: string): Promise<StoreId> {
  const file = join(directory, "id");
  const id = await readIfThere(file);
  if (id === undefined) return makeId(directory, file);
  if (!idForm.test(id)) {
    const remedy = "delete it: the folder gets a new id and its chunks are copied anew";
    throw new IDunnoError("CORRUPT", { file, at: "its start", remedy });
  }
  return StoreId(id);
}

async function makeId(directory: string, file: string): Promise<StoreId> {
  const id = `s-${randomUUID()}`;
  const aside = `${file}.new`;
  const handle = await open(aside, "w");
  try {
    await handle.writeFile(`${id}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
  await syncDirectory(directory);
  await syncDirectory(dirname(directory));
  return StoreId(id);
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
