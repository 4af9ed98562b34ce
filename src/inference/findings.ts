/**
 * What was found about micro-batches, kept beside the model's file, so that neither every thread nor every start of
 * the executor measures anew. A finding holds for one network, one onnxruntime and one kind of CPU, which name its
 * file and are repeated in it; one that is damaged, or of anything else, is as good as none.
 */
import { createHash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { MAX_MICRO_BATCH } from "./micro-batch.ts";

/** What decides how many images a run should get. */
export interface FoundFor {
  /** Absolute path of the model's file. */
  readonly path: string;
  /** What makes two plans one network. */
  readonly network: string;
  /** The version of onnxruntime. */
  readonly runtime: string;
  /** As the system names it. */
  readonly cpu: string;
}

/** Where it is kept: beside the model, and gone with its folder. */
export function findingPath({ path, network, runtime, cpu }: FoundFor): string {
  const name = createHash("sha256")
    .update(JSON.stringify([network, runtime, cpu]))
    .digest("hex");
  return `${path}.${name.slice(0, 16)}.micro-batch.json`;
}

/** The size of micro-batches that was found before; undefined when there is none that can be trusted. */
export function readFinding(of: FoundFor): number | undefined {
  let text: string;
  try {
    text = readFileSync(findingPath(of), "utf8");
  } catch (error) {
    // None yet, or it cannot be read: it is measured, which costs a few runs.
    void error;
    return undefined;
  }
  // Anything else than what would be written is damaged, or of something else: measured and written anew.
  for (let size = 1; size <= MAX_MICRO_BATCH; size *= 2) if (text === textOf(of, size)) return size;
  return undefined;
}

/** A schema would read it as well, but its library takes each executor a second to load. */
function textOf({ network, runtime, cpu }: FoundFor, microBatch: number): string {
  return JSON.stringify({ format: 1, network, runtime, cpu, microBatch });
}

/**
 * Keeps it for later processes. Not synced: a power cut may spoil it, and it is then measured anew.
 * @throws Error when it cannot be written
 */
export function keepFinding(of: FoundFor, microBatch: number): void {
  const path = findingPath(of);
  // Written aside, so that no thread reads half of it; under a name of its own, since two may write at once.
  const aside = `${path}.${process.pid}.${Math.floor(performance.now() * 1000)}`;
  writeFileSync(aside, textOf(of, microBatch));
  renameSync(aside, path);
}
