/**
 * A state's database with those who read it: when another takes its place, it is closed once the last of them has gone.
 */
import type { Database, LevelSnapshot } from "./database.ts";
import { type AppliedPosition, readPosition } from "./state-rows.ts";

export class StateFolder {
  readonly database: Database;
  #readers = 0;
  #idle: (() => void) | undefined;

  constructor(database: Database) {
    this.database = database;
  }

  /** Somebody begins to read over more than one turn of the loop; ends by what this returns. */
  enter(): () => void {
    this.#readers += 1;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#readers -= 1;
      if (this.#readers === 0) this.#idle?.();
    };
  }

  /** Resolves when nobody reads any more. */
  async left(): Promise<void> {
    if (this.#readers === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}

/** The state as of one moment, rows still sealed: what a snapshot sends. */
export class StateView {
  readonly #folder: StateFolder;
  readonly #snapshot: LevelSnapshot;
  readonly #leave: () => void;
  readonly position: AppliedPosition;
  #closed = false;

  constructor(folder: StateFolder) {
    this.#folder = folder;
    this.#snapshot = folder.database.snapshot();
    this.position = readPosition(folder.database, this.#snapshot);
    this.#leave = folder.enter();
  }

  /** The rows after a key, in key order. */
  async *rows(after: string): AsyncGenerator<readonly [key: string, row: Uint8Array]> {
    yield* this.#folder.database.iterator({ gt: after, snapshot: this.#snapshot });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#snapshot.close();
    this.#leave();
  }
}
