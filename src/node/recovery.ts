/**
 * When a majority of the voters is gone for good: one survivor is made the only voter of a new generation of the
 * cluster, by hand, on its stopped data directory. What it has not got is lost; the other survivors rejoin.
 *
 *  Y1 the generation is raised, durably, before anything else: from then on nobody of the old one talks to this node,
 *     so a majority that comes back after all cannot go on beside it. Cut short after that, recovering again completes it.
 *  Y2 what is lost by damage is named, and accepted only when told to.
 *  Y3 the new configuration is an entry of the log like any other, so it can be read there for ever.
 */
import { join } from "node:path";
import { asIDunnoError, IDunnoError } from "../lib/errors.ts";
import { Scope } from "../lib/scope.ts";
import { LogIndex, NodeId, Term } from "../lib/types.ts";
import { encodeConfiguration, simpleConfiguration } from "../raft/configuration.ts";
import { openLog } from "./log.ts";
import { firstVoters } from "./opening.ts";
import { checkSettled, type Disk } from "./stores/disk.ts";
import { type Identity, keepIdentity, readIdentity } from "./stores/identity.ts";
import { emptyState, judgeLog, type Recovered, type StatePosition } from "./stores/log-recovery.ts";
import { MarkFile } from "./stores/mark.ts";
import { openStores, peekState } from "./stores/open-stores.ts";
import { systemRuntime } from "./system-runtime.ts";
import { systemDisk } from "./stores/system-disk.ts";

/** What a stopped node has. Of several survivors the one with the highest (lastTerm, lastIndex) has the most. */
export interface RecoveryView {
  readonly node: string;
  readonly cluster: string;
  readonly generation: number;
  readonly term: number;
  readonly lastTerm: number;
  readonly lastIndex: number;
  /** The log begins after this entry. */
  readonly baseIndex: number;
  readonly appliedIndex: number;
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  /** What its disk has lost; empty: nothing. */
  readonly damage: readonly string[];
}

/**
 * Looks at the data directory of a stopped node, and changes nothing.
 * @throws IDunnoError WRONG_DIRECTORY, DIRECTORY_IN_USE, CORRUPT when the log cannot be opened at all
 */
export async function inspectDirectory(
  directory: string,
  disk: Disk = systemDisk,
): Promise<RecoveryView> {
  const identity = await identityOf(directory, disk);
  const path = join(directory, "raft");
  const state = (await peekState(directory, disk)) ?? emptyState;
  const { faults } = await checkSettled(disk, path);
  // Such files are not opened, and what they hold beyond the state is not to be had (open-stores.ts).
  if (faults.length > 0) return viewOfState(identity, state, faults);
  const database = await disk.openDatabase(path);
  const mark = await MarkFile.open(directory, disk.files);
  try {
    const judged = await judgeLog(database, { mark: mark.last, isNew: false, state, faults });
    return viewOf(identity, judged, state.index);
  } finally {
    await mark.close();
    await database.close();
  }
}

/**
 * Makes a stopped node the only voter of the next generation. Returns what it had.
 * @throws IDunnoError as {@link inspectDirectory}, and CORRUPT naming what is lost unless that is accepted
 */
export async function recoverDirectory(
  directory: string,
  { acceptLoss }: { readonly acceptLoss: boolean },
  disk: Disk = systemDisk,
): Promise<RecoveryView> {
  const identity = await identityOf(directory, disk);
  const before = await inspectDirectory(directory, disk);
  if (before.damage.length > 0 && !acceptLoss)
    throw new IDunnoError("CORRUPT", {
      file: directory,
      at: before.damage.join("; "),
      remedy: "recover another survivor, or accept the loss with --accept-loss",
    });
  const raised = { ...identity, generation: identity.generation + 1 };
  await keepIdentity(directory, raised, disk.files); // Y1
  await using scope = new Scope();
  const log = openLog(identity.node, undefined);
  const failures: unknown[] = [];
  const { logStore, recovered } = await openStores(
    directory,
    { identity: raised, isNew: false },
    {
      disk,
      scope,
      log,
      runtime: systemRuntime,
      acceptsLoss: true,
      onFatal: (error) => failures.push(error),
    },
  );
  const term = Term(Math.max(recovered.hardState.term, recovered.lastTerm) + 1);
  const self = NodeId(identity.node);
  await logStore.write({
    write: 1,
    hardState: { term, vote: self },
    install: undefined,
    truncateFrom: undefined,
    entries: [
      {
        index: LogIndex(recovered.lastIndex + 1),
        term,
        kind: "configuration",
        data: encodeConfiguration(simpleConfiguration([self])),
      },
    ],
  });
  if (recovered.damage.length > 0) await logStore.healed();
  if (failures.length > 0) throw asIDunnoError(failures[0]);
  log.warn("recovered", { generation: raised.generation, lastIndex: recovered.lastIndex, term });
  log.flush();
  return before;
}

async function identityOf(directory: string, { files }: Disk): Promise<Identity> {
  const identity = await readIdentity(directory, files);
  if (identity !== undefined) return identity;
  throw new IDunnoError("WRONG_DIRECTORY", {
    directory,
    why: "there is no identity.json: give the --data-dir of a node",
  });
}

function viewOfState(
  identity: Identity,
  { index, place, configuration }: StatePosition,
  damage: readonly string[],
): RecoveryView {
  const { node, cluster, generation } = identity;
  const { voters, learners } = configuration?.configuration ?? firstVoters(identity);
  const term = place?.term ?? 0;
  const ends = { term, lastTerm: term, lastIndex: index, baseIndex: index, appliedIndex: index };
  return { node, cluster, generation, ...ends, voters, learners, damage };
}

function viewOf(identity: Identity, judged: Recovered, appliedIndex: number): RecoveryView {
  const { node, cluster, generation } = identity;
  const { hardState, lastTerm, lastIndex, base, configurations, damage } = judged;
  const { voters, learners } = configurations.at(-1)?.configuration ?? firstVoters(identity);
  return {
    node,
    cluster,
    generation,
    term: hardState.term,
    lastTerm,
    lastIndex,
    baseIndex: base.index,
    appliedIndex,
    voters,
    learners,
    damage,
  };
}
