/**
 * Reads a job's committed results as NDJSON in input order, and goes on later from where it stopped: so that following
 * a job costs its rows once, not once per look.
 */
import type { Runtime } from "../lib/runtime.ts";
import type { JobId } from "../lib/types.ts";
import { resultLine } from "../scheduler/results.ts";
import { queryId } from "../scheduler/rows.ts";
import type { JobRecord, PackedOutput, ResultRow } from "../scheduler/types.ts";
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
    const { labels } = job.model.manifest;
    let lines: string[] = [];
    let size = 0;
    for await (const [key, value] of this.#ports.state.rows(this.#prefix, this.#after)) {
      const row = value as ResultRow;
      // Halves of a query that was split come again under their own numbers.
      if (row.from < this.#next) continue;
      const outputs = row.from > this.#next ? undefined : this.#outputs(job.id, row);
      if (outputs === undefined) break;
      const inputs = await this.#ports.inputs.range(job.manifest, row, signal);
      for (const [i, output] of outputs.entries()) {
        const line = `${resultLine(inputs[i]?.path ?? "", output, labels)}\n`;
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

  /** The outputs of a query, or of the halves that it was split into; undefined when one of them has none yet. */
  #outputs(job: JobId, row: ResultRow): readonly PackedOutput[] | undefined {
    if (row.into === undefined) return row.outputs;
    const all: PackedOutput[] = [];
    for (const half of row.into) {
      const found = this.#ports.state.get(`result/${queryId(job, half)}`) as ResultRow | undefined;
      const outputs = found === undefined ? undefined : this.#outputs(job, found);
      if (outputs === undefined) return undefined;
      all.push(...outputs);
    }
    return all;
  }
}
