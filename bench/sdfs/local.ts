/** What the same disk and processor do without a cluster: the limit that SDFS is measured against. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, open, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { pieces, timed } from "./content.ts";

/** As many copies as SDFS makes. */
const copies = 4;
/** Small files written at once: as many as five daemons would. */
const writersAtOnce = 32;

async function inScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-bench-local-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  await handle.sync();
  await handle.close();
}

/** Milliseconds for four copies at once, each file synced, and then the directory. */
export async function writeCopies(bytes: Uint8Array): Promise<number> {
  return inScratch(async (directory) =>
    timed(async () => {
      const write = async (copy: number): Promise<void> => {
        const file = await open(join(directory, String(copy)), "wx");
        for (const piece of pieces(bytes)) await file.write(piece);
        await file.sync();
        await file.close();
      };
      await Promise.all(Array.from({ length: copies }, async (_, copy) => write(copy)));
      await syncDirectory(directory);
    }),
  );
}

/** Milliseconds for four copies of each of many small files: written aside, synced, renamed; the four folders synced at the end. */
export async function writeSmallCopies(contents: readonly Uint8Array[]): Promise<number> {
  return inScratch(async (directory) => {
    const folders = Array.from({ length: copies }, (_, copy) => join(directory, String(copy)));
    for (const folder of folders) await mkdir(folder);
    return timed(async () => {
      const work = folders.flatMap((folder) => contents.map((_, n) => ({ folder, n }))).values();
      const writer = async (): Promise<void> => {
        for (const { folder, n } of work) {
          const aside = join(folder, `.${n}`);
          const file = await open(aside, "wx");
          await file.write(contents[n] ?? new Uint8Array(0));
          await file.sync();
          await file.close();
          await rename(aside, join(folder, String(n)));
        }
      };
      await Promise.all(Array.from({ length: writersAtOnce }, writer));
      await Promise.all(folders.map(syncDirectory));
    });
  });
}

/** Milliseconds of `sha256sum` over a file with these bytes that is in the page cache. */
export async function sha256sum(bytes: Uint8Array): Promise<number> {
  return inScratch(async (directory) => {
    const path = join(directory, "file");
    await writeFile(path, bytes);
    return timed(async () => promisify(execFile)("sha256sum", [path]));
  });
}
