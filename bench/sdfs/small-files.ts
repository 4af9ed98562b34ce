/** Many small files as one `sdfs put -r`, beside writing and syncing four copies of each locally. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { idunnoCommand } from "../../src/cli/dev/daemon.ts";
import type { BenchContext } from "../bench.ts";
import { type Figures, figure } from "../report.ts";
import { median } from "../statistics.ts";
import { refill, timed } from "./content.ts";
import { writeSmallCopies } from "./local.ts";

const fileBytes = 100_000;
const target = { atLeast: 500 } as const;
/** Of the program's list of what was put. */
const outputBytes = 64 * 1024 * 1024;

export async function smallFiles(
  { say, signal }: BenchContext,
  node: string,
  { files, rounds }: { readonly files: number; readonly rounds: number },
): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-bench-small-"));
  try {
    const [put, again, local]: number[][] = [[], [], []];
    for (let round = 0; round < rounds; round += 1) {
      signal.throwIfAborted();
      const contents = Array.from({ length: files }, () => new Uint8Array(fileBytes));
      for (const [n, content] of contents.entries()) {
        refill(content);
        await writeFile(join(directory, String(n)), content);
      }
      const run = async (): Promise<number> =>
        timed(async () => putFolder(node, directory, `small/${round}`));
      const perSecond = (ms: number): number => (files * 1_000) / ms;
      local?.push(perSecond(await writeSmallCopies(contents)));
      put?.push(perSecond(await run()));
      again?.push(perSecond(await run()));
      say(
        `${files} files of 100 KB, round ${round + 1} of ${rounds}, files/s: put -r ${put?.at(-1)?.toFixed(0)}, again, unchanged ${again?.at(-1)?.toFixed(0)}, 4 local copies ${local?.at(-1)?.toFixed(0)}`,
      );
    }
    const rate = median(put ?? []);
    return {
      "small.filesPerSecond": figure(rate, "files/s", target),
      "small.localFilesPerSecond": figure(median(local ?? []), "files/s"),
      "small.ratio": figure(
        median((put ?? []).map((each, i) => (local?.[i] ?? NaN) / each)),
        "× local",
      ),
      "small.unchangedFilesPerSecond": figure(median(again ?? []), "files/s"),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The real program, its start included. */
async function putFolder(node: string, folder: string, to: string): Promise<void> {
  const [program = "", ...before] = idunnoCommand;
  const args = ["--node", node, "sdfs", "put", "-r", folder, to, "-o", "json"];
  await promisify(execFile)(program, [...before, ...args], { maxBuffer: outputBytes });
}
