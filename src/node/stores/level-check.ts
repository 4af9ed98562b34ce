/**
 * Verifies a LevelDB directory before LevelDB opens it. LevelDB replays a log with holes without a word, checks no
 * block when it reads, and takes a directory without CURRENT for a new one; so a flipped bit can make rows vanish that
 * nobody misses. Here every byte that means something is covered:
 *
 *  V1 CURRENT names a MANIFEST, and every table and log that the MANIFEST names is there.
 *  V2 every block of these tables and every record of these logs has its CRC.
 *  V3 the writes in the logs follow each other, and the tables, without a gap in LevelDB's sequence numbers: no write
 *     in the middle is missing.
 *  V4 only the last log that holds anything may end early, in its last block, as after a crash. What is left then is a
 *     prefix of what was written: whoever owns the database knows how far it must reach (the log: by the mark; the
 *     state: by the log's base).
 *
 * A MANIFEST that ends within an edit is what a crash leaves too; the lost edit is then one that had not been acted on,
 * or else a file that the older edits name is gone (V1) or a gap follows (V3).
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Version, readManifest } from "./level-manifest.ts";
import { blockBytes, readRecords } from "./level-records.ts";
import { checkTable } from "./level-table.ts";
import { BadBytes } from "./level-varint.ts";

/** Head of a record in a log: `[sequence 8][count 4]`, little-endian. */
const batchHeadBytes = 12;

export interface LevelCheck {
  /** What is wrong, for people: file and place. Empty: nothing. */
  readonly faults: readonly string[];
  /** Tables whose blocks could not all be checked, since an older version compressed their index. */
  readonly unchecked: number;
}

/** Checks a directory that nobody has open. One that is not there, or empty, is whole: a database will be made. */
export async function checkLevel(directory: string): Promise<LevelCheck> {
  const names = await namesIn(directory);
  const files = names.filter((name) => /^(?:MANIFEST-)?\d+(?:\.(?:log|ldb|sst))?$/.test(name));
  if (!names.includes("CURRENT"))
    return files.length === 0 ? nothing : { faults: ["CURRENT: missing"], unchecked: 0 };
  const faults: string[] = [];
  let unchecked = 0;
  try {
    const version = await versionOf(directory);
    for (const [number, size] of version.tables) {
      const name = tableName(number, files);
      if (name === undefined) faults.push(`table ${number}: missing`);
      else unchecked += await tableFaults(join(directory, name), size, faults);
    }
    await checkLogs(directory, files, version, faults);
  } catch (error) {
    faults.push(reason(error));
  }
  return { faults, unchecked };
}

const nothing: LevelCheck = { faults: [], unchecked: 0 };

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

async function versionOf(directory: string): Promise<Version> {
  const current = await readFile(join(directory, "CURRENT"), "latin1");
  const name = /^(MANIFEST-\d+)\n$/.exec(current)?.[1];
  if (name === undefined) throw new BadBytes("CURRENT: it names no MANIFEST");
  const { records, fault } = readRecords(await readFile(join(directory, name)));
  if (fault?.kind === "bad") throw new BadBytes(`${name}: byte ${fault.at}: ${fault.why}`);
  if (records.length === 0) throw new BadBytes(`${name}: empty`);
  return readManifest(records);
}

function tableName(number: number, files: readonly string[]): string | undefined {
  const stem = String(number).padStart(6, "0");
  return [`${stem}.ldb`, `${stem}.sst`].find((name) => files.includes(name));
}

async function tableFaults(path: string, size: number, faults: string[]): Promise<number> {
  try {
    const bytes = await readFile(path);
    if (bytes.length !== size) throw new BadBytes(`${bytes.length} bytes instead of ${size}`);
    return Math.min(1, checkTable(bytes).compressedIndexes);
  } catch (error) {
    faults.push(`${fileName(path)}: ${reason(error)}`);
    return 0;
  }
}

/** V3 and V4, over the logs that LevelDB would replay. */
async function checkLogs(
  directory: string,
  files: readonly string[],
  { logNumber, previousLogNumber, lastSequence }: Version,
  faults: string[],
): Promise<void> {
  const numbers = files
    .filter((name) => name.endsWith(".log"))
    .map((name) => Number.parseInt(name, 10))
    .filter((number) => number >= logNumber || number === previousLogNumber)
    .sort((a, b) => a - b);
  if (logNumber > 0 && !numbers.includes(logNumber)) faults.push(`log ${logNumber}: missing`);
  const logs: { readonly name: string; readonly bytes: Buffer }[] = [];
  for (const number of numbers) {
    const name = files.find(
      (file) => file.endsWith(".log") && Number.parseInt(file, 10) === number,
    );
    if (name === undefined) continue;
    const bytes = await readFile(join(directory, name));
    // A log that holds nothing yet was made just now: the one before may still be the one that a crash cut off.
    if (bytes.length > 0) logs.push({ name, bytes });
  }
  let next: number | undefined;
  for (const [i, { name, bytes }] of logs.entries()) {
    const { records, fault } = readRecords(bytes, batchHeadBytes);
    const isLast = i === logs.length - 1;
    if (fault !== undefined && !(isLast && isInLastBlock(fault.at, bytes.length)))
      faults.push(`${name}: byte ${fault.at}: ${fault.why}`);
    for (const record of records) {
      const head = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
      if (head.length < batchHeadBytes) {
        faults.push(`${name}: a write is too short`);
        continue;
      }
      const sequence = Number(head.readBigUInt64LE(0));
      // The MANIFEST's last sequence may lie beyond the first write of the logs, never before it.
      if (next === undefined ? sequence > lastSequence + 1 : sequence !== next)
        faults.push(`${name}: write ${sequence} follows ${(next ?? lastSequence + 1) - 1}`);
      next = sequence + head.readUInt32LE(8);
    }
  }
}

function isInLastBlock(at: number, length: number): boolean {
  return Math.floor(at / blockBytes) === Math.floor((length - 1) / blockBytes);
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
