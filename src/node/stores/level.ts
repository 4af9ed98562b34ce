/** The one door to LevelDB. What the rest sees of it is the port in database.ts. */
import { Level } from "level";
import { IDunnoError } from "../../lib/errors.ts";

/**
 * Files of a database that are open, LevelDB's least. Tables of 2 MiB are mapped into memory while they are: a read of a
 * whole catalog of a million files would leave 210 MB of it resident, and more files more. Opening one again costs some
 * 50 µs, which made such a read a quarter slower and nothing else.
 */
const maxOpenFiles = 74;

/**
 * Opens (or makes) the database in a directory.
 * @throws IDunnoError DIRECTORY_IN_USE when another process has it, CORRUPT when LevelDB cannot open it,
 * STORAGE_FAILED when the disk is full
 */
export async function openDatabase(directory: string): Promise<Level<string, Uint8Array>> {
  const database = new Level<string, Uint8Array>(directory, {
    keyEncoding: "utf8",
    valueEncoding: "view",
    // The check of the files (level-check.ts) reads the index blocks, which Snappy would hide from it.
    compression: false,
    maxOpenFiles,
  });
  try {
    await database.open();
    return database;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Error && "code" in cause && cause.code === "LEVEL_LOCKED")
      throw new IDunnoError("DIRECTORY_IN_USE", { directory }, { cause: error });
    // A full disk is no damage: what is there is good, and must not be set aside.
    if (cause instanceof Error && cause.message.includes("No space left"))
      throw new IDunnoError("STORAGE_FAILED", { what: `opening ${directory}` }, { cause: error });
    throw new IDunnoError(
      "CORRUPT",
      {
        file: directory,
        at: cause instanceof Error ? cause.message : "opening",
        remedy: "move it aside and start the node anew: it is refilled by its peers",
      },
      { cause: error },
    );
  }
}
