/**
 * Opening the log and the state together, since each says what the other may be trusted in. Both databases are checked
 * file by file before LevelDB touches them (level-check.ts): opening one drops what LevelDB cannot read, silently.
 *
 *  O1 what was found wrong with the log's files is in the mark before anything else is written, and stays until healed;
 *  O2 a lone voter, whom nobody can refill, refuses to start before anything is set aside or deleted;
 *  O3 a state that is not whole is set aside: the log makes it anew, or, where the log begins later, a snapshot does.
 *  O4 what was made lies durably under its name before anything is acknowledged, and before the identity says that it must
 *     be there: a crash while a directory is made is no damage.
 */
import { join } from "node:path";
import { hasCode, IDunnoError } from "../../lib/errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { Scope } from "../../lib/scope.ts";
import { Machine } from "../../machine/machine.ts";
import { hotTables } from "../../machine/tables.ts";
import type { Logger } from "../log.ts";
import { SnapshotStage } from "../snapshots/snapshot-stage.ts";
import { type Database, writeSynced } from "./database.ts";
import { checkSettled, type Disk } from "./disk.ts";
import { putHardState } from "./hard-state.ts";
import { type Identity, keepIdentity, syncDirectory } from "./identity.ts";
import {
  emptyState,
  judgeLog,
  type Recovered,
  settleLog,
  type StatePosition,
} from "./log-recovery.ts";
import { LogStore } from "./log-store.ts";
import { MarkFile } from "./mark.ts";
import {
  forgetLog,
  readStatePointer,
  setAside,
  type StatePointer,
  writeStatePointer,
} from "./state-folders.ts";
import { readPosition, stageKey } from "./state-rows.ts";
import { StateStore } from "./state-store.ts";

export interface StoresPorts {
  readonly disk: Disk;
  readonly scope: Scope;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly onFatal: (error: unknown) => void;
  /** What is damaged is given up even where nobody can refill it: for recovery only. Default: it is not. */
  readonly acceptsLoss?: boolean;
}

export interface OpenedStores {
  readonly logStore: LogStore;
  readonly recovered: Recovered;
  readonly state: StateStore;
  readonly machine: Machine;
  /** Name of the state's folder. */
  readonly stateFolder: string;
  /** A snapshot that an earlier start had begun to receive. */
  readonly stage: SnapshotStage;
}

/** A database opened, or why it cannot be used. */
type Found =
  | { readonly kind: "whole"; readonly database: Database; readonly position: StatePosition }
  | { readonly kind: "lost"; readonly faults: readonly string[] };

/**
 * @throws IDunnoError DIRECTORY_IN_USE; CORRUPT for a damaged lone voter, for two votes in one term, and for a damaged
 *   pointer to the state
 */
export async function openStores(
  directory: string,
  { identity, isNew }: { readonly identity: Identity; readonly isNew: boolean },
  ports: StoresPorts,
): Promise<OpenedStores> {
  const { disk, scope, log, runtime, onFatal, acceptsLoss = false } = ports;
  const raft = await openRaft(directory, { identity, isNew, acceptsLoss }, { disk, log });
  const mark = await MarkFile.open(directory, disk.files);
  const opened: { close: () => Promise<void> }[] = [mark, raft.database];
  try {
    const faults = raft.faults;
    const pointer = await readStatePointer(directory, disk.files);
    const found = await findState(join(directory, pointer.folder), pointer, { disk, log });
    if (found.kind === "whole") opened.push(found.database);
    const position = found.kind === "whole" ? found.position : emptyState;
    const evidence = { mark: mark.last, isNew, state: position, faults };
    const recovered = await judgeLog(raft.database, evidence);
    if (recovered.damage.length > 0) {
      log.error("log-damaged", { damage: recovered.damage, keptTo: recovered.lastIndex });
      if (!acceptsLoss) refuseIfAlone(directory, { identity, recovered, found, position, pointer });
    }
    await settleLog(raft.database, recovered, runtime);
    const { damage, hardState } = recovered;
    // What was read may never have reached the disk: after a sync that failed, the page cache holds it all the same.
    // LevelDB writes what it replays anew; the mark is written anew here, before anybody relies on it.
    if (damage.length > 0 && mark.last !== undefined)
      await mark.write({ ...mark.last, hardState, isDamaged: true });
    const logStore = new LogStore(raft.database, mark, recovered, runtime);
    logStore.onFailure(onFatal);
    if (damage.length === 0) await logStore.remark();
    // From the first vote on, term and vote that are in the mark alone are damage, and a crash may part the two.
    if (isNew) await writeSynced(raft.database, [putHardState(recovered.hardState)]);
    const rows =
      found.kind === "whole"
        ? found.database
        : await freshState(directory, { pointer, found }, { disk, log });
    if (found.kind === "lost") opened.push(rows);
    await syncDirectory(directory, disk.files); // O4
    if (isNew) await keepIdentity(directory, identity, disk.files);
    opened.length = 0;
    scope.defer(async () => logStore.close());
    const state = StateStore.open(rows, {
      runtime,
      onFailure: onFatal,
      positionOf: (index) => logStore.positionOf(index),
    });
    scope.defer(async () => state.close());
    const machine = new Machine({ cold: state });
    for await (const [key, value] of hotRows(state)) machine.loadRow(key, value);
    const stage = await SnapshotStage.open(directory, pointer.folder, disk);
    scope.defer(async () => stage.close());
    return { logStore, recovered, state, machine, stateFolder: pointer.folder, stage };
  } catch (error) {
    for (const each of opened) await each.close();
    throw error;
  }
}

/**
 * Deletes what the log said, and all that follows from it, of a directory whose cluster has gone on without this node.
 * Chunks and identity stay.
 * @throws IDunnoError DIRECTORY_IN_USE: the node runs
 */
export async function forgetStores(directory: string, disk: Disk): Promise<void> {
  const path = join(directory, "raft");
  // Its lock tells; damaged files are nobody's, and LevelDB had better not open them.
  if ((await checkSettled(disk, path)).faults.length === 0)
    await (await disk.openDatabase(path)).close();
  await forgetLog(directory, disk.files);
}

/** The rows of the hot tables alone: a start must not read a million files to know three jobs. */
async function* hotRows(state: StateStore): AsyncGenerator<readonly [string, unknown]> {
  for (const table of hotTables) yield* state.rows(`${table}/`);
}

/**
 * The log's database, which holds the lock of the directory. One whose files are damaged is not opened: LevelDB may end
 * the process over a block that its CRC would have condemned. It is set aside, and a new one begins at the state.
 */
async function openRaft(
  directory: string,
  {
    identity,
    isNew,
    acceptsLoss,
  }: { readonly identity: Identity; readonly isNew: boolean; readonly acceptsLoss: boolean },
  { disk, log }: Pick<StoresPorts, "disk" | "log">,
): Promise<{ readonly database: Database; readonly faults: readonly string[] }> {
  const path = join(directory, "raft");
  // A directory whose making was cut short has promised nothing yet.
  let { faults } = isNew ? { faults: [] } : await checkSettled(disk, path);
  if (faults.length === 0)
    try {
      return { database: await disk.openDatabase(path), faults };
    } catch (error) {
      if (!hasCode(error, "CORRUPT")) throw error;
      faults = [error.message];
    }
  // Also finds out whether another process has the directory.
  const state = await peekState(directory, disk);
  if (!acceptsLoss && isAlone(identity, state?.configuration)) throw refusal(path, faults); // O2, by all that is known without the log
  await noteDamage(directory, disk);
  const aside = await setAside(directory, "raft", disk.files);
  log.error("raft-set-aside", { folder: aside, faults });
  return { database: await disk.openDatabase(path), faults };
}

/** O1. */
async function noteDamage(directory: string, disk: Disk): Promise<void> {
  const mark = await MarkFile.open(directory, disk.files);
  try {
    if (mark.last !== undefined) await mark.write({ ...mark.last, isDamaged: true });
  } finally {
    await mark.close();
  }
}

/** How far the state is; undefined: there is none that can be used. */
export async function peekState(directory: string, disk: Disk): Promise<StatePosition | undefined> {
  const { folder, installedIndex } = await readStatePointer(directory, disk.files);
  const path = join(directory, folder);
  if (!(await exists(path, disk)) || (await disk.checkDatabase(path)).faults.length > 0)
    return undefined;
  const found = await openFound(path, installedIndex, disk);
  if (found.kind === "lost") return undefined;
  await found.database.close();
  return found.position;
}

async function findState(
  path: string,
  pointer: StatePointer,
  { disk, log }: Pick<StoresPorts, "disk" | "log">,
): Promise<Found> {
  const { faults, unchecked } = await disk.checkDatabase(path);
  if (unchecked > 0) log.info("state-unchecked", { folder: path, tables: unchecked });
  if (faults.length > 0) return { kind: "lost", faults };
  if (pointer.installedIndex > 0 && !(await exists(path, disk)))
    return { kind: "lost", faults: ["missing"] };
  return openFound(path, pointer.installedIndex, disk);
}

async function openFound(path: string, installedIndex: number, disk: Disk): Promise<Found> {
  let database: Database;
  try {
    database = await disk.openDatabase(path);
  } catch (error) {
    if (!hasCode(error, "CORRUPT")) throw error;
    return { kind: "lost", faults: [error.message] };
  }
  try {
    if (database.getSync(stageKey) !== undefined) throw new Error("a snapshot that is not whole");
    const { index, place, configuration } = readPosition(database);
    const isInstalled = index > 0 && index === installedIndex;
    const start = index === 0 ? emptyState.place : place;
    return {
      kind: "whole",
      database,
      position: { index, place: start, configuration, isInstalled },
    };
  } catch (error) {
    await database.close();
    return { kind: "lost", faults: [error instanceof Error ? error.message : String(error)] };
  }
}

/** O3. */
async function freshState(
  directory: string,
  {
    pointer: { folder },
    found: { faults },
  }: { readonly pointer: StatePointer; readonly found: Extract<Found, { kind: "lost" }> },
  { disk, log }: Pick<StoresPorts, "disk" | "log">,
): Promise<Database> {
  const path = join(directory, folder);
  const aside = (await exists(path, disk))
    ? await setAside(directory, folder, disk.files)
    : undefined;
  log.error("state-set-aside", { folder: aside, faults });
  if (folder !== "state")
    await writeStatePointer(directory, { folder, installedIndex: 0 }, disk.files);
  return disk.openDatabase(path);
}

/** O2. */
function refuseIfAlone(
  directory: string,
  {
    identity,
    recovered,
    found,
    position,
    pointer,
  }: {
    readonly identity: Identity;
    readonly recovered: Recovered;
    readonly found: Found;
    readonly position: StatePosition;
    readonly pointer: StatePointer;
  },
): void {
  const inLog = recovered.configurations.at(-1);
  const inState = position.configuration;
  const newest = (inState?.index ?? -1) > (inLog?.index ?? -1) ? inState : inLog;
  if (!isAlone(identity, newest)) return;
  const lostState = found.kind === "lost" ? [`${pointer.folder}: ${found.faults.join("; ")}`] : [];
  const file = join(directory, found.kind === "lost" ? pointer.folder : "raft");
  throw refusal(file, [...recovered.damage, ...lostState]);
}

function refusal(file: string, faults: readonly string[]): IDunnoError {
  return new IDunnoError("CORRUPT", {
    file,
    at: faults.join("; "),
    remedy:
      "this node is the only voter, so nobody can refill it: restore the directory from a copy",
  });
}

/** Whether this node is the only voter, as far as is known. */
function isAlone(
  { node, founders, seeds }: Identity,
  known: StatePosition["configuration"],
): boolean {
  // Who joined others is not alone, whoever founded them.
  if (known === undefined) return founders.length === 1 && seeds === undefined;
  const { voters, outgoing } = known.configuration;
  return voters.length === 1 && voters[0] === node && outgoing.length === 0;
}

async function exists(path: string, { files }: Disk): Promise<boolean> {
  return files.access(path).then(
    () => true,
    () => false,
  );
}
