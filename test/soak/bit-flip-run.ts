/**
 * Flips one bit of a stopped node's directory, opens it as a node does, and judges: the right data, a refusal that names
 * the file, or known damage that can be healed. Anything else is a failure: wrong data, a forgotten vote, an
 * acknowledged entry that is gone without the node knowing.
 */
import { cp, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasCode } from "../../src/lib/errors.ts";
import { Random } from "../../src/lib/random.ts";
import { LogIndex, NodeId } from "../../src/lib/types.ts";
import {
  applyTo,
  buildWorld,
  closeWorld,
  configurationAt,
  entryAt,
  extent,
  Healthy,
  type Opened,
  openWorld,
  rowsOf,
  vote,
  writeOf,
} from "./stored-world.ts";

export interface FlipOptions {
  readonly offsets: number;
  readonly seed: number;
  /** Names of the voters; one: nobody can refill it. */
  readonly founders: readonly string[];
  readonly onFailure: (failure: FlipFailure) => void;
}

export interface Flip {
  readonly file: string;
  readonly offset: number;
  readonly bit: number;
}

export interface FlipFailure extends Flip {
  readonly seed: number;
  readonly why: string;
}

type Outcome = "right" | "refused" | "healed" | "failed";

export interface FlipFigures {
  /** Outcomes by region of the directory. */
  readonly regions: Readonly<Record<string, Readonly<Record<Outcome, number>>>>;
  readonly total: Readonly<Record<Outcome, number>>;
  /** Starts on which the state was made anew, by the log or by a snapshot. */
  readonly rebuilt: number;
}

interface Expected {
  readonly rows: ReadonlyMap<string, string>;
  readonly healthy: Healthy;
  readonly founders: readonly string[];
}

export async function flipBits(options: FlipOptions): Promise<FlipFigures> {
  const { offsets, seed, founders } = options;
  const root = await mkdtemp(join(tmpdir(), "idunno-flip-"));
  const random = new Random(seed);
  const regions: Record<string, Record<Outcome, number>> = {};
  const total = none();
  let rebuilt = 0;
  const stored = join(root, "stored");
  await buildWorld(join(root, "healthy"), founders);
  const healthy = new Healthy(await openWorld(join(root, "healthy"), founders));
  try {
    await buildWorld(stored, founders, healthy);
    const expected = { rows: await rowsOf(healthy.world), healthy, founders };
    const files = await filesOf(stored);
    for (let i = 0; i < offsets; i += 1) {
      const flip = draw(files, random);
      const trial = join(root, "trial");
      await cp(stored, trial, { recursive: true });
      await flipIn(trial, flip);
      const { outcome, why } = await judge(trial, flip, expected);
      rebuilt += (await readdir(trial)).some((name) => name.startsWith("state.damaged-")) ? 1 : 0;
      await rm(trial, { recursive: true });
      const region = regionOf(flip.file);
      regions[region] ??= none();
      regions[region][outcome] += 1;
      total[outcome] += 1;
      if (outcome === "failed") options.onFailure({ ...flip, seed, why });
    }
    return { regions, total, rebuilt };
  } finally {
    await healthy.close();
    await rm(root, { recursive: true });
  }
}

function none(): Record<Outcome, number> {
  return { right: 0, refused: 0, healed: 0, failed: 0 };
}

/** Bytes at the end of a file that get a quarter of its flips: footers, last records. */
const endBytes = 200;

interface Measured {
  readonly file: string;
  readonly bytes: number;
}

/** Everything that a node reads at start, but for LevelDB's own diary. */
async function filesOf(directory: string): Promise<Measured[]> {
  const found: Measured[] = [];
  for (const file of await readdir(directory, { recursive: true })) {
    const { size, isFile } = await measure(join(directory, file));
    const name = file.slice(file.lastIndexOf("/") + 1);
    if (isFile && size > 0 && !/^LO(?:G|G\.old|CK)$/.test(name)) found.push({ file, bytes: size });
  }
  return found.sort((a, b) => (a.file < b.file ? -1 : 1));
}

async function measure(path: string): Promise<{ size: number; isFile: boolean }> {
  const found = await stat(path);
  return { size: found.size, isFile: found.isFile() };
}

/** Half of the flips by file, so that small ones are met; half by byte. */
function draw(files: readonly Measured[], random: Random): Flip {
  const sum = files.reduce((all, { bytes }) => all + bytes, 0);
  let place = random.next() % sum;
  const byByte = files.find(({ bytes }) => (place -= bytes) < 0);
  const chosen = random.chance(1, 2) ? byByte : random.pick(files);
  if (chosen === undefined) throw new Error("there are no files");
  const { file, bytes } = chosen;
  const fromEnd = random.next() % Math.min(bytes, endBytes);
  const offset = random.chance(1, 4) ? bytes - 1 - fromEnd : random.next() % bytes;
  return { file, offset, bit: random.between(0, 7) };
}

function regionOf(file: string): string {
  const [folder = "", name = folder] = file.split("/");
  const kind = /\.(?:log|ldb)$/.exec(name)?.[0] ?? name.replace(/-\d+$/, "");
  const place = folder.startsWith("state-") ? "stage" : folder;
  return file.includes("/") ? `${place}/${kind}` : file;
}

async function flipIn(directory: string, { file, offset, bit }: Flip): Promise<void> {
  const handle = await open(join(directory, file), "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ (1 << bit);
  await handle.write(byte, 0, 1, offset);
  await handle.close();
}

async function judge(
  directory: string,
  flip: Flip,
  expected: Expected,
): Promise<{ readonly outcome: Outcome; readonly why: string }> {
  let world: Opened;
  try {
    world = await openWorld(directory, expected.founders);
  } catch (error) {
    const isNamed =
      (hasCode(error, "CORRUPT") && error.details.file !== "" && error.details.at !== "") ||
      hasCode(error, "WRONG_DIRECTORY") ||
      (hasCode(error, "MALFORMED") && flip.file === "identity.json");
    const mayRefuse = expected.founders.length === 1 || !flip.file.includes("/");
    if (isNamed && mayRefuse) return { outcome: "refused", why: error.message };
    return { outcome: "failed", why: `refused: ${String(error)}` };
  }
  try {
    const isDamaged = world.recovered.damage.length > 0;
    const before = flaws(world, expected, isDamaged);
    if (before !== undefined) return { outcome: "failed", why: before };
    if (isDamaged) await heal(world, expected);
    await finish(world, expected);
    const after = flaws(world, expected, false) ?? (await rowFlaws(world, expected));
    if (after !== undefined) return { outcome: "failed", why: `healed: ${after}` };
    await closeWorld(world);
    world = await openWorld(directory, expected.founders);
    const damage = world.recovered.damage.join("; ");
    const again =
      damage === "" ? (flaws(world, expected, false) ?? (await rowFlaws(world, expected))) : damage;
    if (again !== undefined) return { outcome: "failed", why: `opened again: ${again}` };
    return { outcome: isDamaged ? "healed" : "right", why: "" };
  } catch (error) {
    return { outcome: "failed", why: error instanceof Error ? String(error.stack) : "thrown" };
  } finally {
    await closeWorld(world);
  }
}

/** What is wrong with the log and the vote of a node; a damaged one may lack entries, which it knows. */
function flaws(
  world: Opened,
  { founders, healthy }: Expected,
  isDamaged: boolean,
): string | undefined {
  const { logStore, state, recovered } = world;
  const { hardState } = recovered;
  if (hardState.term !== vote.term || hardState.vote !== vote.vote) return "the vote is forgotten";
  const { base, lastIndex } = logStore;
  if (!isDamaged && lastIndex !== extent.last) return `the log ends at ${lastIndex}`;
  if (!isDamaged && state.appliedIndex < base.index) return "the state lies below the base";
  for (let index = base.index + 1; index <= lastIndex; index += 1) {
    const [entry] = logStore.read(LogIndex(index), LogIndex(index), 1);
    const wanted = entryAt(index, founders);
    if (entry === undefined || entry.kind !== wanted.kind || entry.term !== wanted.term)
      return `entry ${index} is another one`;
    if (Buffer.compare(entry.data, wanted.data) !== 0) return `entry ${index} has other data`;
  }
  const original = healthy.world.logStore;
  for (const index of [base.index, lastIndex].filter((each) => each >= extent.base))
    if (Buffer.compare(logStore.positionOf(index).chain, original.positionOf(index).chain) !== 0)
      return `the chain at ${index} is another one`;
  const configured = JSON.stringify(configurationAt(world, lastIndex));
  const wanted = JSON.stringify(configurationAt(healthy.world, lastIndex));
  if (lastIndex >= extent.base && configured !== wanted) return `the configuration: ${configured}`;
  return undefined;
}

async function rowFlaws(world: Opened, { rows }: Expected): Promise<string | undefined> {
  applyTo(world, extent.last);
  await world.state.settled();
  const found = await rowsOf(world);
  for (const [key, row] of rows) if (found.get(key) !== row) return `row ${key} is another one`;
  if (found.size !== rows.size) return `${found.size} rows instead of ${rows.size}`;
  const models = [...rows.keys()].filter((key) => key.startsWith("model/"));
  return world.state.appliedIndex === extent.last && models.length > 0
    ? undefined
    : "the state does not reach the end of the log";
}

/** What a leader does: entries where its log reaches back far enough, else a snapshot; then "healed". */
async function heal(world: Opened, { healthy, founders }: Expected): Promise<void> {
  const { logStore, state } = world;
  const isBehind = logStore.lastIndex < extent.base || state.appliedIndex < logStore.base.index;
  if (isBehind) await healthy.install(world);
  for (let index = logStore.lastIndex + 1; index <= extent.last; index += 1)
    await logStore.write(writeOf([entryAt(index, founders)]));
  await logStore.healed();
}

/** A snapshot that was coming goes on, or comes anew, and is right. */
async function finish({ stage }: Opened, { healthy, rows }: Expected): Promise<void> {
  if (stage.progress === undefined) return;
  const { signal } = new AbortController();
  const from = { from: NodeId("n2"), atLeast: LogIndex(1) };
  const { database } = await healthy.fetcher(stage).fetch(from, signal);
  let count = 0;
  for await (const key of database.keys()) {
    if (!rows.has(key)) throw new Error(`the staged snapshot has a row ${key}`);
    count += 1;
  }
  await database.close();
  if (count !== rows.size) throw new Error(`the staged snapshot has ${count} rows`);
}
