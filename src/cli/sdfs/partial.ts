/**
 * A download on its way into a local file: written aside under a hidden name, renamed when it is whole, and kept when it
 * is not, so that the next try goes on. The name tells whose it is: `.HASH.PID-RANDOM.idunno`, HASH of the target's name,
 * PID of the process that writes it, 0 when it gave up. Whoever renames one to a name of his own has it.
 */
import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { chunkBytes, type ChunkRef } from "../../lib/content.ts";

/** Names of a folder, read once for all files that go there. */
export class FolderNames {
  readonly #names = new Map<string, Promise<readonly string[]>>();

  async of(folder: string): Promise<readonly string[]> {
    const known = this.#names.get(folder) ?? readdir(folder);
    this.#names.set(folder, known);
    return known;
  }
}

const partialForm = /^\.([0-9a-f]{16})\.(\d+)-[0-9a-f]{8}\.idunno$/;

export class Partial {
  readonly #handle: FileHandle;
  readonly #target: string;
  readonly #aside: string;

  private constructor(target: string, aside: string, handle: FileHandle) {
    this.#target = target;
    this.#aside = aside;
    this.#handle = handle;
  }

  /** Takes over what an earlier try left, if nobody else is at it; otherwise begins an empty one. */
  static async open(target: string, names: FolderNames): Promise<Partial> {
    const folder = dirname(target);
    const aside = asideOf(target, process.pid);
    let taken = false;
    for (const name of await names.of(folder)) {
      const [, hash, pid] = partialForm.exec(name) ?? [];
      if (hash !== hashOf(target) || isAlive(Number(pid))) continue;
      // Another process may be faster; of several that are left one is enough.
      if (taken) await rm(join(folder, name), { force: true });
      else taken = await renamed(join(folder, name), aside);
    }
    return new Partial(target, aside, await open(aside, taken ? "r+" : "wx"));
  }

  /** Keeps as many whole chunks from the start as are those of the version wanted. @returns their bytes */
  async keep(chunks: readonly ChunkRef[]): Promise<number> {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    let kept = 0;
    for (const { hash, bytes } of chunks) {
      if (!(await this.#filled(buffer.subarray(0, bytes), kept))) break;
      const actual = createHash("sha256").update(buffer.subarray(0, bytes)).digest("hex");
      if (actual !== hash) break;
      kept += bytes;
    }
    await this.#handle.truncate(kept);
    return kept;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  /** @returns how many bytes that were */
  async write(bytes: Uint8Array, position: number): Promise<number> {
    let written = 0;
    while (written < bytes.length) {
      const rest = bytes.subarray(written);
      written += (await this.#handle.write(rest, 0, rest.length, position + written)).bytesWritten;
    }
    return written;
  }

  /** It is whole: the target appears, or is replaced, at once. */
  async finish(): Promise<void> {
    await this.#handle.close();
    await rename(this.#aside, this.#target);
  }

  /** It is not: left for the next try when that saves more than it costs. */
  async abandon(): Promise<void> {
    const size = await this.size();
    await this.#handle.close();
    if (size < chunkBytes) await rm(this.#aside, { force: true });
    else await rename(this.#aside, asideOf(this.#target, 0));
  }

  async #filled(buffer: Uint8Array, position: number): Promise<boolean> {
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.#handle.read(buffer, {
        offset: filled,
        position: position + filled,
      });
      if (bytesRead === 0) return false;
      filled += bytesRead;
    }
    return true;
  }
}

function asideOf(target: string, pid: number): string {
  const name = `.${hashOf(target)}.${pid}-${randomBytes(4).toString("hex")}.idunno`;
  return join(dirname(target), name);
}

/** Of the name alone: one that is as long as names may be has no room for more. */
function hashOf(target: string): string {
  return createHash("sha256").update(basename(target)).digest("hex").slice(0, 16);
}

function isAlive(pid: number): boolean {
  if (pid === 0) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}
