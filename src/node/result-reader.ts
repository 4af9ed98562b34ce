/**
 * Reads a job's committed results as NDJSON in input order, and goes on later from where it stopped: so that following
 * a job costs its rows once, not once per look.
 */
import type { Runtime } from "../lib/runtime.ts";
import type { JobId } from "../lib/types.ts";
import type { ManifestInput } from "../scheduler/manifest.ts";
import { resultLine, tensorsLine, tensorsPath } from "../scheduler/results.ts";
import { resultsOf } from "../scheduler/failure.ts";
import type { JobRecord, ResultRow } from "../scheduler/types.ts";
import { nextTurn } from "./deadline.ts";
import type { Inputs } from "./inputs.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Bytes of lines gathered before they are handed on. */
const blockBytes = 64 * 1024;

export interface ResultReaderPorts {
  readonly runtime: Runtime;
  readonly state: StateStore;
  readonly inputs: Inputs;
}

export class ResultReader {
  readonly #prefix: string;
  readonly #ports: ResultReaderPorts;
  /** The last row read; queries are numbered in input order, and so are their rows. */
  #after = "";
  #next = 0;

  constructor(job: JobId, ports: ResultReaderPorts) {
    this.#prefix = `result/${job}/`;
    this.#ports = ports;
  }

  /** Inputs read so far: all before this one. */
  get nextInput(): number {
    return this.#next;
  }

  /** What there is now behind what was read, up to the first gap. */
  async *read(job: JobRecord, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let lines: string[] = [];
    let size = 0;
    for await (const [key, value] of this.#ports.state.rows(this.#prefix, this.#after)) {
      const row = value as ResultRow;
      // Halves of a query that was split come again under their own numbers.
      if (row.from < this.#next) continue;
      const parts = row.from > this.#next ? undefined : this.#parts(job.id, row);
      if (parts === undefined) break;
      const inputs = await this.#ports.inputs.range(job.manifest, row, signal);
      for (const part of parts)
        for (const line of linesOf(job, part, inputs.slice(part.from - row.from))) {
          lines.push(line);
          size += line.length;
        }
      this.#after = key;
      this.#next = row.from + row.count;
      if (size < blockBytes) continue;
      yield Buffer.from(lines.join(""));
      lines = [];
      size = 0;
      await nextTurn(this.#ports.runtime);
    }
    if (lines.length > 0) yield Buffer.from(lines.join(""));
  }

  /** A query's row, or those of the halves that it was split into; undefined when one of them has none yet. */
  #parts(job: JobId, row: ResultRow): readonly ResultRow[] | undefined {
    const all: ResultRow[] = [];
    for (const found of resultsOf(job, row, (key) => this.#ports.state.get(key))) {
      if (found === undefined) return undefined;
      all.push(found);
    }
    return all;
  }
}

/** The lines of a query's inputs. Rows of arrays are counted over those inputs that have one. */
function* linesOf(
  { id, model: { manifest } }: JobRecord,
  { from, outputs }: ResultRow,
  inputs: readonly Pick<ManifestInput, "path">[],
): Generator<string> {
  const file = manifest.outputs === undefined ? undefined : tensorsPath(id, from);
  let row = 0;
  for (const [i, output] of outputs.entries()) {
    const path = inputs[i]?.path ?? "";
    if (file === undefined || typeof output === "string")
      yield `${resultLine(path, output, manifest.labels)}\n`;
    else {
      yield `${tensorsLine(path, file, row)}\n`;
      row += 1;
    }
  }
}
