/**
 * How chunks lie on disk, for the store and the cache alike: `0/` to `f/` by the first digit of the hash, `tmp/` for
 * what is not whole yet. A file that has its chunk's name was whole when it got it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  open as openFile,
  openSync,
  read as readPart,
  readFileSync,
} from "node:fs";
import { type FileHandle, mkdir, open, opendir, rename, rm, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { promisify } from "node:util";
import { IDunnoError } from "../../lib/errors.ts";
import type { ChunkHash } from "../../lib/types.ts";
import { isChunkName, maxChunkBytes, refuseBadName } from "./hash.ts";
import type { IoSlots } from "./io-slots.ts";
import { QuickReads } from "./quick-reads.ts";
import { smallChunkBytes } from "./small-chunks.ts";

/** One folder a hexadecimal digit: more would cost a group of puts more directory syncs than they save in lookups. */
export const fanOut: readonly string[] = "0123456789abcdef".split("");

/** Names read from a directory before others get the slot. Arbitrary. */
const namesAtOnce = 1_024;

const [openDescriptor, readDescriptor] = [promisify(openFile), promisify(readPart)];

export class ChunkFolder {
  readonly directory: string;
  readonly #io: IoSlots;
  readonly #quick = new QuickReads();
  #writes = 0;

  private constructor(directory: string, io: IoSlots) {
    this.directory = directory;
    this.#io = io;
  }

  /** Makes the folders that are missing and throws away what was being written when the last process ended. */
  static async open(directory: string, io: IoSlots): Promise<ChunkFolder> {
    const folder = new ChunkFolder(directory, io);
    await io.run(async () => {
      const tmp = join(directory, "tmp");
      await rm(tmp, { recursive: true, force: true });
      for (const path of [tmp, ...fanOut.map((digit) => join(directory, digit))]) {
        await mkdir(path, { recursive: true });
      }
    });
    return folder;
  }

  /** @throws IDunnoError MALFORMED for what is no chunk's name */
  path(hash: ChunkHash): string {
    refuseBadName(hash);
    // Not join: it looks at each of a hundred characters, for each input of a job.
    return `${this.directory}${sep}${hash.charAt(0)}${sep}${hash}`;
  }

  /**
   * Writes aside and renames. The caller holds a slot, and syncs the fan-out folder if the chunk is to last.
   * @throws IDunnoError BUSY when the disk is full
   */
  async write(hash: ChunkHash, bytes: Uint8Array, { sync }: { sync: boolean }): Promise<void> {
    this.#writes += 1;
    const aside = join(this.directory, "tmp", `${this.#writes}-${hash}`);
    try {
      const file = await open(aside, "wx");
      try {
        await writeAll(file, bytes);
        if (sync) await file.sync();
      } finally {
        await file.close();
      }
      await rename(aside, this.path(hash));
    } catch (error) {
      await rm(aside, { force: true }).catch(() => undefined); // the first failure is the one that counts
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
      const what = `the disk under ${this.directory}`;
      throw new IDunnoError("BUSY", { what, limit: 0 }, { cause: error });
    }
  }

  /**
   * A file's bytes; undefined when there is none. Too many bytes are cut: no chunk, as its hash will tell. The caller holds
   * a slot. What may wait for the disk goes to the thread pool; the size of an open file and closing it do not, and two
   * trips there cost more than a small chunk.
   */
  async read(hash: ChunkHash): Promise<Uint8Array | undefined> {
    const file = await openIfThere(this.path(hash));
    if (file === undefined) return undefined;
    try {
      const bytes = new Uint8Array(Math.min(fstatSync(file).size, maxChunkBytes + 1));
      let filled = 0;
      while (filled < bytes.length) {
        const left = bytes.length - filled;
        const { bytesRead } = await readDescriptor(file, bytes, filled, left, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    } finally {
      closeSync(file);
    }
  }

  /** As {@link read}, of a file that is likely to be small: in this turn of the loop while the disk is quick. */
  async readSmall(hash: ChunkHash): Promise<Uint8Array | undefined> {
    if (!this.#quick.mayTry) return this.read(hash);
    const bytes = this.#quick.try(() => readNow(this.path(hash)));
    return bytes === "large" ? this.read(hash) : bytes;
  }

  size(hash: ChunkHash): Promise<number | undefined> {
    const path = this.path(hash);
    return this.#io.run(async () => {
      try {
        return (await stat(path)).size;
      } catch (error) {
        if (isAbsence(error)) return undefined;
        throw error;
      }
    });
  }

  /** The names of the chunks in some folders, in no order. What comes or goes meanwhile may or may not be among them. */
  async *list(folders: readonly string[] = fanOut): AsyncGenerator<ChunkHash> {
    for (const digit of folders) {
      const entries = await this.#io.run(() =>
        opendir(join(this.directory, digit), { bufferSize: namesAtOnce }),
      );
      try {
        let names: string[];
        do {
          names = await this.#io.run(async () => {
            const some: string[] = [];
            while (some.length < namesAtOnce) {
              const entry = await entries.read();
              if (entry === null) break;
              some.push(entry.name);
            }
            return some;
          });
          for (const name of names) if (isChunkName(name)) yield name;
        } while (names.length > 0);
      } finally {
        await entries.close();
      }
    }
  }
}

/** A small file's bytes; undefined when there is none. */
function readNow(path: string): Uint8Array | "large" | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
  try {
    return fstatSync(file).size > smallChunkBytes ? "large" : readFileSync(file);
  } finally {
    closeSync(file);
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await file.write(bytes, written)).bytesWritten;
  }
}

/** Its descriptor, which the caller closes. */
async function openIfThere(path: string): Promise<number | undefined> {
  try {
    return await openDescriptor(path, constants.O_RDONLY);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

export function isAbsence(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
