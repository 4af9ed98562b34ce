/**
 * Opening the log and the state together, since each says what the other may be trusted in. Both databases are checked
 * file by file before LevelDB touches them (level-check.ts): opening one drops what LevelDB cannot read, silently.
 *
 *  O1 what was found wrong with the log's files is in the mark before anything else is written, and stays until healed;
 *  O2 a lone voter, whom nobody can refill, refuses to start before anything is set aside or deleted;
 *  O3 a state that is not whole is set aside: the log makes it anew, or, where the log begins later, a snapshot does.
 */
import { access } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, IDunnoError } from "../../lib/errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { Scope } from "../../lib/scope.ts";
import { Machine } from "../../machine/machine.ts";
import { hotTables } from "../../machine/tables.ts";
import type { Logger } from "../log.ts";
import { SnapshotStage } from "../snapshots/snapshot-stage.ts";
import { type Identity, keepIdentity } from "./identity.ts";
import { checkLevel, checkSettled } from "./level-check.ts";
import { type Database, openDatabase } from "./level.ts";
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
  const { scope, log, runtime, onFatal, acceptsLoss = false } = ports;
  const raft = await openRaft(directory, { identity, isNew, acceptsLoss }, log);
  const mark = await MarkFile.open(directory);
  const opened: { close: () => Promise<void> }[] = [mark, raft.database];
  try {
    const faults = raft.faults;
    const pointer = await readStatePointer(directory);
    const found = await findState(join(directory, pointer.folder), pointer, log);
    if (found.kind === "whole") opened.push(found.database);
    const position = found.kind === "whole" ? found.position : emptyState;
    const evidence = { mark: mark.last, isNew, state: position, faults };
    const recovered = await judgeLog(raft.database, evidence);
    if (recovered.damage.length > 0) {
      log.error("log-damaged", { damage: recovered.damage, keptTo: recovered.lastIndex });
      if (!acceptsLoss) refuseIfAlone(directory, { identity, recovered, found, position, pointer });
    }
    await settleLog(raft.database, recovered, runtime);
    if (recovered.damage.length > 0 && mark.last?.isDamaged === false)
      await mark.write({ ...mark.last, isDamaged: true });
    const logStore = new LogStore(raft.database, mark, recovered, runtime);
    logStore.onFailure(onFatal);
    if (recovered.damage.length === 0 && mark.last === undefined) await logStore.remark();
    if (isNew) await keepIdentity(directory, identity);
    const rows =
      found.kind === "whole" ? found.database : await freshState(directory, pointer, found, log);
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
    const stage = await SnapshotStage.open(directory, pointer.folder);
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
export async function forgetStores(directory: string): Promise<void> {
  const path = join(directory, "raft");
  // Its lock tells; damaged files are nobody's, and LevelDB had better not open them.
  if ((await checkSettled(path)).faults.length === 0) await (await openDatabase(path)).close();
  await forgetLog(directory);
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
  log: Logger,
): Promise<{ readonly database: Database; readonly faults: readonly string[] }> {
  const path = join(directory, "raft");
  // A directory whose making was cut short has promised nothing yet.
  let { faults } = isNew ? { faults: [] } : await checkSettled(path);
  if (faults.length === 0)
    try {
      return { database: await openDatabase(path), faults };
    } catch (error) {
      if (!hasCode(error, "CORRUPT")) throw error;
      faults = [error.message];
    }
  // Also finds out whether another process has the directory.
  const state = await peekState(directory);
  if (!acceptsLoss && isAlone(identity, state?.configuration)) throw refusal(path, faults); // O2, by all that is known without the log
  await noteDamage(directory);
  const aside = await setAside(directory, "raft");
  log.error("raft-set-aside", { folder: aside, faults });
  return { database: await openDatabase(path), faults };
}

/** O1. */
async function noteDamage(directory: string): Promise<void> {
  const mark = await MarkFile.open(directory);
  try {
    if (mark.last !== undefined) await mark.write({ ...mark.last, isDamaged: true });
  } finally {
    await mark.close();
  }
}

/** How far the state is; undefined: there is none that can be used. */
export async function peekState(directory: string): Promise<StatePosition | undefined> {
  const { folder, installedIndex } = await readStatePointer(directory);
  const path = join(directory, folder);
  if (!(await exists(path)) || (await checkLevel(path)).faults.length > 0) return undefined;
  const found = await openFound(path, installedIndex);
  if (found.kind === "lost") return undefined;
  await found.database.close();
  return found.position;
}

async function findState(path: string, pointer: StatePointer, log: Logger): Promise<Found> {
  const { faults, unchecked } = await checkLevel(path);
  if (unchecked > 0) log.info("state-unchecked", { folder: path, tables: unchecked });
  if (faults.length > 0) return { kind: "lost", faults };
  if (pointer.installedIndex > 0 && !(await exists(path)))
    return { kind: "lost", faults: ["missing"] };
  return openFound(path, pointer.installedIndex);
}

async function openFound(path: string, installedIndex: number): Promise<Found> {
  let database: Database;
  try {
    database = await openDatabase(path);
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
  { folder }: StatePointer,
  { faults }: Extract<Found, { kind: "lost" }>,
  log: Logger,
): Promise<Database> {
  const path = join(directory, folder);
  const aside = (await exists(path)) ? await setAside(directory, folder) : undefined;
  log.error("state-set-aside", { folder: aside, faults });
  if (folder !== "state") await writeStatePointer(directory, { folder, installedIndex: 0 });
  return openDatabase(path);
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

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
