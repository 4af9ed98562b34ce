/** Log entries for people and tools: decoded, byte strings in hex. Also from the directory of a stopped node. */
import { join } from "node:path";
import type { LogEntryView } from "../lib/api/files.ts";
import { asIDunnoError, IDunnoError } from "../lib/errors.ts";
import { decodeCommand } from "../machine/codec.ts";
import type { Entry } from "../raft/types.ts";
import { checkSettled, type Disk } from "./stores/disk.ts";
import { readIdentity } from "./stores/identity.ts";
import { readBase } from "./stores/log-base.ts";
import { damageKey } from "./stores/log-recovery.ts";
import { walkLog } from "./stores/log-walk.ts";
import { MarkFile } from "./stores/mark.ts";
import { systemDisk } from "./stores/system-disk.ts";

export function entryView(entry: Entry, chain: Uint8Array): LogEntryView {
  const view: LogEntryView = {
    index: entry.index,
    term: entry.term,
    kind: entry.kind,
    bytes: entry.data.length,
    chain: Buffer.from(chain).toString("hex"),
  };
  if (entry.kind === "command") view.command = readable(entry.data);
  return view;
}

function readable(data: Uint8Array): unknown {
  try {
    return plain(decodeCommand(data));
  } catch (error) {
    return { undecodable: asIDunnoError(error).message };
  }
}

/** A value as JSON can show it. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}

/**
 * The log of a stopped node from its base on, every entry checked: CRC, contiguity, chain, and that it reaches the mark.
 * @throws IDunnoError DIRECTORY_IN_USE while the node runs, WRONG_DIRECTORY, CORRUPT naming the first bad entry
 */
export async function* openLogDirectory(
  directory: string,
  disk: Disk = systemDisk,
): AsyncGenerator<LogEntryView> {
  if ((await readIdentity(directory, disk.files)) === undefined)
    throw new IDunnoError("WRONG_DIRECTORY", {
      directory,
      why: "there is no identity.json: give the --data-dir of a node",
    });
  const corrupt = (at: string): IDunnoError =>
    new IDunnoError("CORRUPT", {
      file: join(directory, "raft"),
      at,
      remedy: "start the node: it discards what is damaged and is refilled by its peers",
    });
  // LevelDB must not open damaged files: it drops what it cannot read, or ends the process.
  const { faults } = await checkSettled(disk, join(directory, "raft"));
  if (faults.length > 0) throw corrupt(faults.join("; "));
  const database = await disk.openDatabase(join(directory, "raft"));
  const mark = await MarkFile.open(directory, disk.files);
  try {
    const base = readBase(database);
    if (base === undefined) throw corrupt("the record of the log's base");
    let { index }: { index: number } = base;
    const entries = walkLog(database, base);
    for (let next = await entries.next(); ; next = await entries.next()) {
      if (next.done === true) {
        if (next.value !== undefined) throw corrupt(next.value);
        break;
      }
      const { entry, chain } = next.value;
      index = entry.index;
      if (mark.last?.index === index && Buffer.compare(mark.last.chain, chain) !== 0)
        throw corrupt(`entry ${index}: not the one the mark names`);
      yield entryView(entry, chain);
    }
    if (mark.last?.isDamaged === true || database.getSync(damageKey) !== undefined)
      throw corrupt("the damage that its last start found and that is not healed yet");
    if ((mark.last?.index ?? 0) > index)
      throw corrupt(
        `the end: the mark is at entry ${mark.last?.index ?? 0}, the log ends at ${index}`,
      );
  } finally {
    await mark.close();
    await database.close();
  }
}
