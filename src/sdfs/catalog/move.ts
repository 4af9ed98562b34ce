/**
 * Giving files other names, all of a command or none. Every readable version goes along with what it is made of, so
 * chunks and what they are held by do not change, and neither do jobs, which name content and not paths.
 *
 * N1 A version keeps its content, size, time and copies; only its path and number are new. The order stays (C2).
 * N2 Numbers in the destination go on after its `last`; those of the source are never given again (C3).
 * N3 All moves of a command are of one moment: first every source is taken away, then every destination taken.
 */
import type { FileMove } from "../../lib/content.ts";
import { type FileOutcome, okFiles, type Outcome, refuse } from "../../lib/outcome.ts";
import type { Rows, Stamp } from "../../lib/rows.ts";
import { FileVersion } from "../../lib/types.ts";
import { checkPath } from "./paths.ts";
import { Ledger } from "./quotas.ts";
import { files, versionId, versions } from "./rows.ts";
import type { FileRecord, VersionRecord } from "./types.ts";

/** What one command moves at most, so that no apply is long: every version is read, and written under its new name. */
export const moveLimits = {
  files: 1_000,
  versions: 10_000,
  /** Of all versions together: five of the largest file have 81,920. */
  chunks: 100_000,
} as const;

/** A file on its way. */
interface Taken {
  readonly to: string;
  readonly file: FileRecord;
  readonly kept: readonly VersionRecord[];
}

/** Moves files. Refused as a whole when a source is not there, a destination is, or it would be too much. */
export function moveFiles(rows: Rows, moves: readonly FileMove[], { now }: Stamp): Outcome {
  const wrong = checkMoves(moves);
  if (wrong !== undefined) return wrong;
  const ledger = new Ledger(rows);
  const taken: Taken[] = [];
  const size = { files: moves.length, versions: 0, chunks: 0 };
  for (const { from, to } of moves) {
    const file = files.get(rows, from);
    if (file === undefined || file.versions.length === 0)
      return refuse("NOT_FOUND", {
        kind: "file",
        name: from,
        remedy: "'idunno sdfs ls' lists them",
      });
    size.versions += file.versions.length;
    if (size.versions > moveLimits.versions) return tooLarge("versions", size.versions);
    const kept = takeVersions(rows, file);
    size.chunks += kept.reduce((sum, { chunks }) => sum + chunks.length, 0);
    if (size.chunks > moveLimits.chunks) return tooLarge("chunks", size.chunks);
    ledger.put(file, {
      ...file,
      versions: [],
      bytes: 0,
      keptBytes: 0,
      modifiedAt: now,
    });
    taken.push({ to, file, kept });
  }
  const moved: FileOutcome[] = [];
  for (const each of taken) {
    const known = files.get(rows, each.to);
    if (known !== undefined && known.versions.length > 0)
      return refuse("CONFLICT", {
        what: each.to,
        why: "it exists: remove it first, or give another name",
      });
    const placed = placeVersions(rows, each, known?.last ?? FileVersion(0));
    ledger.put(known, placed);
    moved.push({ version: placed.last, copies: each.kept.at(-1)?.copies ?? 0 }); // unreachable: as in takeVersions
  }
  return ledger.exceeded() ?? okFiles(moved);
}

function checkMoves(moves: readonly FileMove[]): Outcome | undefined {
  if (moves.length === 0)
    return refuse("INVALID", {
      what: "the list of moves",
      why: "it is empty",
      remedy: "name a file and where it is to go",
    });
  if (moves.length > moveLimits.files) return tooLarge("files", moves.length);
  for (const { from, to } of moves) {
    const wrong = checkPath(to);
    if (wrong !== undefined) return refuse("INVALID", { what: JSON.stringify(to), ...wrong });
    if (from === to)
      return refuse("INVALID", {
        what: to,
        why: "it would be moved to where it is",
        remedy: "give another name",
      });
  }
  return undefined;
}

function tooLarge(unit: keyof typeof moveLimits, size: number): Outcome {
  return refuse("TOO_LARGE", {
    what: "the move",
    size,
    limit: moveLimits[unit],
    unit,
    remedy: "move fewer files at a time; nothing was moved",
  });
}

/** Takes the readable versions of a file away. */
function takeVersions(rows: Rows, { path, versions: readable }: FileRecord): VersionRecord[] {
  return readable.flatMap((version) => {
    const id = versionId(path, version);
    const record = versions.get(rows, id);
    versions.delete(rows, id);
    return record ?? []; // unreachable: a readable version has its row (C3)
  });
}

/** N1, N2. */
function placeVersions(rows: Rows, { to, file, kept }: Taken, last: FileVersion): FileRecord {
  const numbered = kept.map((record, i) => ({
    ...record,
    path: to,
    version: FileVersion(last + 1 + i),
  }));
  for (const record of numbered) versions.put(rows, versionId(to, record.version), record);
  return {
    ...file,
    path: to,
    versions: numbered.map(({ version }) => version),
    last: FileVersion(last + numbered.length),
    keptBytes: kept.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
