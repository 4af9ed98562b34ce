/** The one door to LevelDB. Keys are strings, values are bytes; every write of ours is synced. */
import { type BatchOperation, Level } from "level";
import { IDunnoError } from "../../lib/errors.ts";

export type Database = Level<string, Uint8Array>;
export type Operation = BatchOperation<Database, string, Uint8Array>;
/** A view of a database as of one moment. Whoever takes one closes it. */
export type LevelSnapshot = ReturnType<Database["snapshot"]>;

/**
 * Opens (or makes) the database in a directory.
 * @throws IDunnoError DIRECTORY_IN_USE when another process has it, CORRUPT when LevelDB cannot open it
 */
export async function openDatabase(directory: string): Promise<Database> {
  const database: Database = new Level(directory, {
    keyEncoding: "utf8",
    valueEncoding: "view",
    // The check of the files (level-check.ts) reads the index blocks, which Snappy would hide from it.
    compression: false,
  });
  try {
    await database.open();
    return database;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Error && "code" in cause && cause.code === "LEVEL_LOCKED")
      throw new IDunnoError("DIRECTORY_IN_USE", { directory }, { cause: error });
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

/** A row of a database whose files may be damaged: one that cannot be read is as good as missing. */
export function readQuietly(database: Database, key: string): Uint8Array | undefined {
  try {
    return database.getSync(key);
  } catch {
    // The check of the files has said what is wrong.
    return undefined;
  }
}

/** Writes all or nothing, on the disk when it returns. A failure is final: LevelDB takes no writes after one. */
export async function writeSynced(database: Database, operations: Operation[]): Promise<void> {
  try {
    // Chained: an array is checked and copied once more, operation by operation.
    const batch = database.batch();
    for (const operation of operations)
      if (operation.type === "put") batch.put(operation.key, operation.value);
      else batch.del(operation.key);
    await batch.write({ sync: true });
  } catch (cause) {
    throw new IDunnoError("STORAGE_FAILED", { what: `a write to ${database.location}` }, { cause });
  }
}
