/**
 * Group commit of a directory: a rename lasts once the directory is synced, and one sync does for all renames before
 * it. Who comes while a sync runs shares the next one, since the running one may have started before his rename.
 */
import { type FileHandle, open } from "node:fs/promises";
import type { IoSlots } from "./io-slots.ts";

export class DirectorySync {
  readonly #handle: FileHandle;
  readonly #io: IoSlots;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  private constructor(handle: FileHandle, io: IoSlots) {
    this.#handle = handle;
    this.#io = io;
  }

  static async open(directory: string, io: IoSlots): Promise<DirectorySync> {
    return new DirectorySync(await open(directory, "r"), io);
  }

  /** Resolves when every change made to the directory before this call will survive a power cut. */
  sync(): Promise<void> {
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => undefined); // its callers have the failure
    await this.#running?.catch(() => undefined);
    await this.#handle.close();
  }

  async #after(running: Promise<void> | undefined): Promise<void> {
    await running?.catch(() => undefined); // its callers have the failure
    await this.#io.runAlways(() => {
      // From here on newcomers may have renamed too late for this one.
      this.#running = this.#next;
      this.#next = undefined;
      return this.#handle.sync();
    });
  }
}
