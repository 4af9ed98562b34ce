/** What happened, for people and for comparing two runs of a seed: a running hash of all of it, and its newest part. */
import type { TraceEvent } from "./report/trace-event.ts";

/** Events kept for the report of a failure. */
const kept = 4_000;
/** Lines of nodes' logs kept. */
const notesKept = 200;

export class Trace {
  #hash = 0x811c9dc5;
  #events: TraceEvent[] = [];
  #notes: string[] = [];

  add(event: TraceEvent): void {
    this.keep(event);
    this.#mix(JSON.stringify(event));
  }

  /** Only for the report: not every run of a seed is asked for it. */
  keep(event: TraceEvent): void {
    this.#events.push(event);
    if (this.#events.length > 2 * kept) this.#events = this.#events.slice(-kept);
  }

  note(at: number, node: string, event: string, fields: unknown): void {
    const line = `${at.toFixed(3)} ${node} ${event} ${JSON.stringify(fields)}`;
    this.#notes.push(line);
    if (this.#notes.length > 2 * notesKept) this.#notes = this.#notes.slice(-notesKept);
    this.#mix(line);
  }

  /** FNV-1a, 32 bits. */
  #mix(text: string): void {
    let hash = this.#hash;
    for (let i = 0; i < text.length; i += 1)
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    this.#hash = hash;
  }

  get hash(): number {
    return this.#hash;
  }

  get events(): readonly TraceEvent[] {
    return this.#events;
  }

  get notes(): readonly string[] {
    return this.#notes.slice(-notesKept);
  }
}
