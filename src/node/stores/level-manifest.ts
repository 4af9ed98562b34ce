/** LevelDB's MANIFEST: a list of edits, which together say which tables and logs make up the database. */
import { BadBytes, VarintReader } from "./level-varint.ts";

/** Which files count, after all edits. */
export interface Version {
  /** Logs from this number on are replayed at open. */
  readonly logNumber: number;
  readonly previousLogNumber: number;
  /** The last write that the tables may hold. */
  readonly lastSequence: number;
  /** Tables by number, with their sizes in bytes. */
  readonly tables: ReadonlyMap<number, number>;
}

const tag = {
  comparator: 1,
  logNumber: 2,
  nextFile: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLogNumber: 9,
} as const;

/** @throws BadBytes */
export function readManifest(edits: readonly Uint8Array[]): Version {
  const tables = new Map<number, number>();
  let logNumber = 0;
  let previousLogNumber = 0;
  let lastSequence = 0;
  for (const edit of edits) {
    const reader = new VarintReader(edit);
    while (!reader.isAtEnd) {
      const field = reader.number();
      if (field === tag.comparator) reader.string();
      else if (field === tag.logNumber) logNumber = reader.number();
      else if (field === tag.nextFile) reader.number();
      else if (field === tag.lastSequence) lastSequence = reader.number();
      else if (field === tag.previousLogNumber) previousLogNumber = reader.number();
      else if (field === tag.compactPointer) {
        reader.number();
        reader.string();
      } else if (field === tag.deletedFile) {
        reader.number();
        tables.delete(reader.number());
      } else if (field === tag.newFile) {
        reader.number();
        tables.set(reader.number(), reader.number());
        reader.string();
        reader.string();
      } else throw new BadBytes(`an edit has a field of kind ${field}`);
    }
  }
  return { logNumber, previousLogNumber, lastSequence, tables };
}
