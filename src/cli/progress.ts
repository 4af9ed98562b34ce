/** One line on a terminal that says how far something is. Off a terminal it says nothing. */
import type { Writable } from "node:stream";

const barCells = 24;

/** `━━━━━━╌╌╌╌` */
export function bar(done: number, total: number): string {
  const filled = total === 0 ? barCells : Math.floor((Math.min(done, total) / total) * barCells);
  return "━".repeat(filled) + "╌".repeat(barCells - filled);
}

export class ProgressLine implements Disposable {
  readonly #out: Writable;
  readonly #shown: boolean;
  #dirty = false;

  constructor(out: Writable, shown: boolean) {
    this.#out = out;
    this.#shown = shown;
  }

  show(text: string): void {
    if (!this.#shown) return;
    const columns = (this.#out as { columns?: number }).columns ?? 80;
    this.#out.write(`\r${text.slice(0, columns - 1)}\u001B[K`);
    this.#dirty = true;
  }

  /** Takes the line away, so that what follows begins at the left. */
  clear(): void {
    if (this.#dirty) this.#out.write("\r\u001B[K");
    this.#dirty = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
