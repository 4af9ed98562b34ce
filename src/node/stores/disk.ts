/**
 * The port to the disk of a data directory: files and databases. A running node has the real one (system-disk.ts); the
 * simulator has one that loses power, tears writes and rots.
 */
import type { Database } from "./database.ts";
import type { LevelCheck } from "./level-check.ts";

/** An open file, as `node:fs/promises` has it. */
export interface OpenFile {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<unknown>;
  write(buffer: Buffer, offset: number, length: number, position: number): Promise<unknown>;
  writeFile(content: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What the stores use of `node:fs/promises`, with the same meaning and the same error codes. */
export interface FileSystem {
  /** @param flags `r` or `w`, or numbers of `node:fs`'s `constants`. `r` opens a directory too, to be synced. */
  open(path: string, flags: string | number, mode?: number): Promise<OpenFile>;
  readFile(path: string, encoding: "utf8"): Promise<string>;
  readdir(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  rm(
    path: string,
    options: { readonly recursive: boolean; readonly force?: boolean },
  ): Promise<void>;
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
  access(path: string): Promise<void>;
}

export interface Disk {
  readonly files: FileSystem;
  /**
   * Opens (or makes) the database in a directory.
   * @throws IDunnoError DIRECTORY_IN_USE when another process has it, CORRUPT when it cannot be opened
   */
  openDatabase(directory: string): Promise<Database>;
  /** Checks a database that nobody has open. One that is not there, or empty, is whole: it will be made. */
  checkDatabase(directory: string): Promise<LevelCheck>;
}

/**
 * The check of a directory that another process may have open: its files can change while they are read, so that what is
 * found wrong counts only when it is found again. Whoever opens the database next learns whether it is in use.
 */
export async function checkSettled(disk: Disk, directory: string): Promise<LevelCheck> {
  const check = await disk.checkDatabase(directory);
  return check.faults.length === 0 ? check : disk.checkDatabase(directory);
}
