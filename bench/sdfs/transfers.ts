/** Whole files in and out, each beside what the machine does without a cluster, in turns. */
import type { IDunnoClient } from "../../src/client/client.ts";
import { ContentHasher } from "../../src/node/content.ts";
import type { BenchContext } from "../bench.ts";
import { type Figures, figure, type Goal } from "../report.ts";
import { median } from "../statistics.ts";
import { type Cell, table } from "../table.ts";
import { MB, refill, sourceOf, timed } from "./content.ts";
import { sha256sum, writeCopies } from "./local.ts";

/** Milliseconds of one round. */
interface Round {
  readonly local: number;
  readonly put: number;
  readonly update: number;
  readonly sha256sum: number;
  readonly get: number;
  readonly getVerified: number;
}

const target: Goal = { atMost: 1.5 };
const ms = 1_000;

export async function transfers(
  { say, signal }: BenchContext,
  client: IDunnoClient,
  { megabytes, rounds }: { readonly megabytes: number; readonly rounds: number },
): Promise<Figures> {
  const bytes = new Uint8Array(megabytes * MB);
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    signal.throwIfAborted();
    const result = await measure(client, `bench/${megabytes}/${round}`, bytes, round % 2 === 0);
    measured.push(result);
    say(
      `${megabytes} MB, round ${round + 1} of ${rounds}, s: ` +
        Object.entries(result)
          .map(([name, value]) => `${name} ${((value as number) / ms).toFixed(2)}`)
          .join(", "),
    );
  }
  return conclude(say, megabytes, measured);
}

async function measure(
  client: IDunnoClient,
  path: string,
  bytes: Uint8Array,
  localFirst: boolean,
): Promise<Round> {
  const put = async (): Promise<number> => {
    refill(bytes);
    return timed(async () => client.putFile(path, sourceOf(bytes)));
  };
  let local = localFirst ? await writeCopies(bytes) : NaN;
  const first = await put();
  const update = await put();
  if (!localFirst) local = await writeCopies(bytes);
  const sum = await sha256sum(bytes);
  const get = await timed(async () => read(client, path, bytes.length));
  const getVerified = await timed(async () => readVerified(client, path));
  return { local, put: first, update, sha256sum: sum, get, getVerified };
}

/** Every byte was verified by the node that gave it; here they are counted. */
async function read(client: IDunnoClient, path: string, expected: number): Promise<void> {
  const { body } = await client.getFile(path);
  let bytes = 0;
  for await (const piece of body) bytes += piece.length;
  if (bytes !== expected) throw new Error(`${path} has ${bytes} bytes, not ${expected}`);
}

/** Verified a second time by whoever reads, against the content digest. */
export async function readVerified(client: IDunnoClient, path: string): Promise<void> {
  const { file, body } = await client.getFile(path);
  const hasher = new ContentHasher();
  for await (const piece of body) hasher.update(piece);
  if (hasher.digest() !== file.content) throw new Error(`${path} is not what was put`);
}

function conclude(say: BenchContext["say"], megabytes: number, rounds: readonly Round[]): Figures {
  const over = (of: (round: Round) => number): number => median(rounds.map(of));
  const figures: Record<string, Figures[string]> = {};
  const rows: Cell[][] = [];
  const row = (name: string, of: (round: Round) => number, peer?: keyof Round): void => {
    const rate = over((round) => (megabytes * ms) / of(round));
    figures[`${name}${megabytes}MB.MBps`] = figure(rate, "MB/s");
    const ratio = peer === undefined ? undefined : over((round) => of(round) / round[peer]);
    // Of a small file the fixed costs are most: no target.
    const isLarge = megabytes >= 100;
    const goal = isLarge && name !== "getVerified" ? target : undefined;
    if (ratio !== undefined)
      figures[`${name}${megabytes}MB.ratio`] = figure(ratio, `× ${String(peer)}`, goal);
    const aim = ratio === undefined || goal === undefined ? undefined : 1.5;
    rows.push([name, over(of), rate, ratio, aim]);
  };
  row("local", ({ local }) => local);
  row("put", ({ put }) => put, "local");
  row("update", ({ update }) => update, "local");
  row("sha256sum", (round) => round.sha256sum);
  row("get", ({ get }) => get, "sha256sum");
  row("getVerified", ({ getVerified }) => getVerified, "sha256sum");
  say(`\n${table([`${megabytes} MB, medians`, "ms", "MB/s", "× peer", "target"], rows)}\n`);
  return figures;
}
