/**
 * Makes a snapshot that arrived whole the state of this node. The pointer to it is durable first; then store and machine
 * change in one turn of the loop, so that nobody sees half of it. The log follows: see log-store.ts, B2, for what a
 * crash in between leaves.
 */
import { join } from "node:path";
import type { Machine } from "../../machine/machine.ts";
import { hotTables } from "../../machine/tables.ts";
import type { Logger } from "../log.ts";
import type { Database } from "../stores/database.ts";
import type { Disk } from "../stores/disk.ts";
import { writeStatePointer } from "../stores/state-folders.ts";
import { openRow } from "../stores/state-rows.ts";
import type { StateStore } from "../stores/state-store.ts";
import type { SnapshotPosition } from "./snapshot-chunk.ts";
import type { SnapshotStage, Staged } from "./snapshot-stage.ts";

export interface InstallerPorts {
  readonly directory: string;
  readonly disk: Disk;
  readonly state: StateStore;
  readonly machine: Machine;
  readonly stage: SnapshotStage;
  readonly log: Logger;
}

export class SnapshotInstaller {
  readonly #ports: InstallerPorts;
  #folder: string;
  #cleaning: Promise<void> = Promise.resolve();

  /** @param folder name of the state's folder as it was opened */
  constructor(folder: string, ports: InstallerPorts) {
    this.#folder = folder;
    this.#ports = ports;
  }

  /**
   * Call it while nothing is applied; then give the position to the log ({@link LogStore.install}). A failure is final:
   * the pointer may have moved.
   */
  async install({ folder, database, position }: Staged): Promise<SnapshotPosition> {
    const { directory, disk, state, machine, stage, log } = this.#ports;
    await state.settled();
    const rows = await hotRowsOf(database);
    await writeStatePointer(directory, { folder, installedIndex: position.index }, disk.files);
    const closeOld = state.adopt(database);
    machine.reload(rows);
    stage.installed(folder);
    const old = this.#folder;
    this.#folder = folder;
    this.#cleaning = this.#clean(closeOld, old);
    log.info("snapshot-installed", { index: position.index, term: position.term });
    return position;
  }

  async #clean(closeOld: () => Promise<void>, folder: string): Promise<void> {
    const { directory, disk, log } = this.#ports;
    try {
      await closeOld();
      await disk.files.rm(join(directory, folder), { recursive: true });
    } catch (error) {
      // The next start deletes it.
      log.warn("old-state-left", { folder, error: String(error) });
    }
  }

  /** Resolves when the old state is gone. Its readers must have been told to leave. */
  async close(): Promise<void> {
    await this.#cleaning;
  }
}

async function hotRowsOf(database: Database): Promise<(readonly [string, unknown])[]> {
  const rows: (readonly [string, unknown])[] = [];
  for (const table of hotTables)
    // "0" is the character after "/".
    for await (const [key, row] of database.iterator({ gte: `${table}/`, lt: `${table}0` }))
      rows.push([key, openRow(database, key, row)]);
  return rows;
}
