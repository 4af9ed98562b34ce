/**
 * One directory sync for a whole group of new files. A member's file lasts when its folder is synced after its rename;
 * so all write first, and then each folder is synced once.
 */

/** One file of a group. */
export interface GroupMember {
  /** Writes and renames; resolves when the folder was synced after the last member had done so. */
  commit(write: () => Promise<void>): Promise<void>;
  /** It will not write any more. The others must not wait for it. */
  leave(): void;
}

export class FolderGroup {
  readonly #sync: (folder: string) => Promise<void>;
  readonly #syncs = new Map<string, Promise<void>>();
  readonly #written: Promise<void>;
  #allWritten: () => void = () => undefined;
  #writing = 0;

  constructor(sync: (folder: string) => Promise<void>) {
    this.#sync = sync;
    this.#written = new Promise((resolve) => (this.#allWritten = resolve));
  }

  /** All members join before the first of them may write. */
  join(folder: string): GroupMember {
    this.#writing += 1;
    let isWriting = true;
    const leave = (): void => {
      if (!isWriting) return;
      isWriting = false;
      this.#writing -= 1;
      if (this.#writing === 0) this.#allWritten();
    };
    const commit = async (write: () => Promise<void>): Promise<void> => {
      try {
        await write();
      } finally {
        leave();
      }
      await this.#written;
      const sync = this.#syncs.get(folder) ?? this.#sync(folder);
      this.#syncs.set(folder, sync);
      await sync;
    };
    return { commit, leave };
  }
}
