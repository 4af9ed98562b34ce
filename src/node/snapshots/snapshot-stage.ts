/**
 * The receiving side's folder: the rows of a snapshot gather in a database beside the state, until they are the state.
 *
 *  T1 a chunk and how far the snapshot has come are one synced batch, so a restart goes on after the last whole chunk;
 *  T2 while the row that says so is there, the folder is no state (open-stores.ts refuses it as one);
 *  T3 the row goes only when rows, their CRC and the applied position are those that the sender announced.
 */
import { join } from "node:path";
import { IDunnoError } from "../../lib/errors.ts";
import { type Database, type Operation, writeSynced } from "../stores/database.ts";
import type { Disk } from "../stores/disk.ts";
import { nextState, otherStates } from "../stores/state-folders.ts";
import { openRow, readPosition, sealRow, stageKey } from "../stores/state-rows.ts";
import {
  count,
  noTally,
  positionOfHead,
  type SealedRow,
  type SnapshotHead,
  type SnapshotPosition,
  type Tally,
} from "./snapshot-chunk.ts";

export interface Progress extends Tally {
  readonly snapshot: string;
  readonly index: number;
  /** The last key received. */
  readonly after: string;
}

/** A snapshot that arrived whole. Its database is open. */
export interface Staged {
  readonly folder: string;
  readonly database: Database;
  readonly position: SnapshotPosition;
}

interface Gathering {
  readonly folder: string;
  readonly database: Database;
  progress: Progress;
}

export class SnapshotStage {
  readonly #directory: string;
  readonly #disk: Disk;
  #current: string;
  #gathering: Gathering | undefined;

  private constructor(
    directory: string,
    { current, gathering }: { current: string; gathering: Gathering | undefined },
    disk: Disk,
  ) {
    this.#directory = directory;
    this.#disk = disk;
    this.#current = current;
    this.#gathering = gathering;
  }

  /**
   * Finds what an earlier start received; deletes every other folder beside the state.
   * @param current name of the state's folder
   */
  static async open(directory: string, current: string, disk: Disk): Promise<SnapshotStage> {
    const others = await otherStates(directory, current, disk.files);
    const newest = others.at(-1);
    for (const name of others)
      if (name !== newest) await disk.files.rm(join(directory, name), { recursive: true });
    const gathering =
      newest === undefined ? undefined : await resume(join(directory, newest), newest, disk);
    return new SnapshotStage(directory, { current, gathering }, disk);
  }

  /** How far the snapshot has come; undefined: none is coming. */
  get progress(): Progress | undefined {
    return this.#gathering?.progress;
  }

  /** Begins with a snapshot, and forgets any other. */
  async begin(head: SnapshotHead): Promise<void> {
    await this.discard();
    const others = await otherStates(this.#directory, this.#current, this.#disk.files);
    const folder = nextState([this.#current, ...others]);
    const database = await this.#disk.openDatabase(join(this.#directory, folder));
    const { snapshot, index } = head;
    this.#gathering = { folder, database, progress: { snapshot, index, after: "", ...noTally } };
  }

  /**
   * Takes the next chunk. Durable when it returns (T1).
   * @throws IDunnoError CORRUPT when the sums do not agree: the snapshot is worth nothing then
   */
  async add(head: SnapshotHead, rows: readonly SealedRow[]): Promise<void> {
    const gathering = this.#required();
    const { database, progress } = gathering;
    const tally = count(progress, rows);
    if (tally.rows !== head.rows || tally.crc !== head.crc)
      throw damaged(database, `row ${head.next}: rows or their CRC differ from what was sent`);
    const { snapshot, index } = progress;
    const { next } = head;
    const value = sealRow(stageKey, [snapshot, index, next, tally.rows, tally.crc]);
    await writeSynced(database, [
      ...rows.map(([key, row]): Operation => ({ type: "put", key, value: row })),
      { type: "put", key: stageKey, value },
    ]);
    gathering.progress = { snapshot, index, after: next, ...tally };
  }

  /**
   * The last chunk was taken: the snapshot is whole (T3). It leaves the stage, to be installed.
   * @throws IDunnoError CORRUPT
   */
  async complete(head: SnapshotHead): Promise<Staged> {
    const { database, folder } = this.#required();
    const position = positionOfHead(head);
    const { index, hash, place, configuration } = readPosition(database);
    const isAnnounced =
      index === position.index &&
      hash === position.hash &&
      place?.term === position.term &&
      Buffer.compare(place.chain, position.chain) === 0 &&
      (configuration === undefined) === (position.configuration === undefined);
    if (!isAnnounced) throw damaged(database, "the applied index: it is not the one announced");
    await writeSynced(database, [{ type: "del", key: stageKey }]);
    this.#gathering = undefined;
    return { folder, database, position };
  }

  /** A snapshot that left the stage is the state now. */
  installed(folder: string): void {
    this.#current = folder;
  }

  /** Forgets what has come. */
  async discard(): Promise<void> {
    const gathering = this.#gathering;
    this.#gathering = undefined;
    if (gathering === undefined) return;
    await gathering.database.close();
    await this.#disk.files.rm(join(this.#directory, gathering.folder), { recursive: true });
  }

  #required(): Gathering {
    if (this.#gathering === undefined) throw new IDunnoError("CLOSED", { what: "the snapshot" });
    return this.#gathering;
  }

  async close(): Promise<void> {
    const gathering = this.#gathering;
    this.#gathering = undefined;
    await gathering?.database.close();
  }
}

/** What is not whole, or says not how far it came, is worth less than asking again. */
async function resume(path: string, folder: string, disk: Disk): Promise<Gathering | undefined> {
  const { faults } = await disk.checkDatabase(path);
  if (faults.length === 0) {
    const database = await disk.openDatabase(path);
    const progress = progressIn(database);
    if (progress !== undefined) return { folder, database, progress };
    await database.close();
  }
  await disk.files.rm(path, { recursive: true });
  return undefined;
}

function progressIn(database: Database): Progress | undefined {
  const bytes = database.getSync(stageKey);
  const value = bytes === undefined ? undefined : openRow(database, stageKey, bytes);
  if (!Array.isArray(value)) return undefined;
  const [snapshot, index, after, rows, crc] = value as readonly unknown[];
  if (typeof snapshot !== "string" || typeof after !== "string") return undefined;
  if (typeof index !== "number" || typeof rows !== "number" || typeof crc !== "number")
    return undefined;
  return { snapshot, index, after, rows, crc };
}

function damaged(database: Database, at: string): IDunnoError {
  return new IDunnoError("CORRUPT", {
    file: database.location,
    at,
    remedy: "nothing is to be done: the snapshot is asked for anew",
  });
}
