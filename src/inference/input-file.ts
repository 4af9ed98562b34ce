/**
 * Reads an input's parts and checks each against its name before anything decodes it.
 * Synchronous on purpose: it runs in a thread of the executor, where each asynchronous step would wait for
 * the network to yield, and reading and hashing 100 KB costs less than one such step.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ChunkHash } from "../lib/types.ts";
import type { InputFile } from "./types.ts";

export type ReadFile =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "damaged"; readonly hash: ChunkHash; readonly why: string };

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function readInput(input: InputFile): ReadFile {
  const parts: Uint8Array[] = [];
  for (const part of input.parts) {
    const { hash } = part;
    let bytes: Uint8Array;
    try {
      bytes = "path" in part ? readFileSync(part.path) : part.content;
    } catch (error) {
      return { kind: "damaged", hash, why: error instanceof Error ? error.message : String(error) };
    }
    const actual = sha256(bytes);
    if (actual !== hash) {
      const where = "path" in part ? part.path : `a chunk in memory, ${hash},`;
      return { kind: "damaged", hash, why: `${where} hashes to ${actual} (${bytes.length} bytes)` };
    }
    parts.push(bytes);
  }
  const [only] = parts;
  return {
    kind: "bytes",
    bytes: parts.length === 1 && only !== undefined ? only : Buffer.concat(parts),
  };
}
