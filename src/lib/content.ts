/**
 * Content by name: what a file is made of, how a job fixes it for ever, and how an upload describes itself. Shared by
 * the scheduler, whose jobs pin content, and by the file catalog, which keeps it.
 */
import { BufferPool } from "./buffer-pool.ts";
import type { ChunkHash, FileVersion } from "./types.ts";

/** A piece of content by name and length. */
export interface ChunkRef {
  readonly hash: ChunkHash;
  readonly bytes: number;
}

/** Content fixed for ever: a path and version for people, the chunks for machines. A job pins its model and manifest so. */
export interface Pin {
  readonly path: string;
  readonly version: FileVersion;
  readonly bytes: number;
  readonly chunks: readonly ChunkRef[];
}

/** Content whose chunks are durable on their replicas. */
export interface UploadedContent {
  readonly bytes: number;
  readonly chunks: readonly UploadedChunk[];
}

/** A file whose chunks are durable on their replicas, ready to become visible. */
export interface FileUpload extends UploadedContent {
  readonly path: string;
  /** Refused with CONFLICT unless the newest version is this (0: the file must not exist). */
  readonly ifVersion: number | undefined;
}

/** A file's other name. */
export interface FileMove {
  readonly from: string;
  readonly to: string;
}

export interface UploadedChunk extends ChunkRef {
  /** Who acknowledged it durable, each at which applied catalog index. */
  readonly replicas: readonly { readonly store: string; readonly index: number }[];
}

/** Bytes of a chunk but the last, and the most one may have (design: SDFS). */
export const chunkBytes = 4 * 1024 * 1024;

/** For whole chunks, and for what carries many small ones. */
export const chunkBuffers = new BufferPool(chunkBytes);
