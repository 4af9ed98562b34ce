/** `idunno sdfs fsck`: whether every byte is there, in as many copies as are wanted. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { FsckFilesView, FsckView } from "../../lib/api/files.ts";
import { exitCodes } from "../exit-codes.ts";
import { humanBytes } from "../format.ts";
import type { Column } from "../output.ts";
import { bar } from "../progress.ts";
import type { Open, Session } from "../session.ts";

type Verdict = "HEALTHY" | "DEGRADED" | "CORRUPT";
type Report = Omit<FsckView, "next"> & { readonly verdict: Verdict };

/** How often repair is looked at, and how long without a further copy until it is given up, in ms. */
const lookMs = 1_000;
const stuckMs = 60_000;

const columns: readonly Column<Report>[] = [
  { name: "verdict", value: ({ verdict }) => verdict },
  { name: "nodes", value: ({ nodes }) => nodes },
  { name: "chunks", value: ({ chunks }) => chunks },
  { name: "size", value: ({ bytes }) => bytes, human: ({ bytes }) => humanBytes(bytes) },
  { name: "whole", value: ({ whole }) => whole },
  { name: "lacking", value: ({ lacking }) => lacking },
  { name: "unavailable", value: ({ unavailable }) => unavailable },
  { name: "lost", value: ({ lost }) => lost },
  { name: "excess", value: ({ excess }) => excess },
];

export function addFsckCommand(sdfs: Command, open: Open): void {
  sdfs
    .command("fsck")
    .description("count the copies of every chunk; exit code 6 unless all is well")
    .option("--repair", "wait until repair, which runs by itself, has made what it can")
    .addHelpText(
      "after",
      `
HEALTHY   every chunk has the copies that are wanted: 4, or one on each node when there are fewer
DEGRADED  some are lacking, and are being copied; or unavailable, until a node is back
CORRUPT   some are lost: no node has them any more. The files are named

It counts what the catalog knows. What has rotted on a disk is known when it is read.

Examples:
  idunno sdfs fsck
  idunno sdfs fsck --repair && echo all is well`,
    )
    .action(async (options: { repair?: true }, command: Command) => {
      const session = open(command);
      const report = options.repair === true ? await repaired(session) : await check(session);
      await session.print.record(report, columns);
      if (report.verdict === "HEALTHY") return;
      session.exitCode = exitCodes.unhealthy;
      if (report.lost + report.unavailable === 0) return;
      for await (const file of session.client.fsckFiles({ signal: session.signal }))
        session.note(sentence(file));
    });
}

function sentence({ path, version, lost, unavailable }: FsckFilesView["files"][number]): string {
  const parts = [
    lost > 0 ? `${lost} lost` : "",
    unavailable > 0 ? `${unavailable} unavailable` : "",
  ];
  return `${path}@${version}: chunks ${parts.filter((part) => part !== "").join(", ")}`;
}

async function check({ client, signal }: Session): Promise<Report> {
  const report = await client.fsck({ signal });
  const { lost, lacking, unavailable } = report;
  const verdict = lost > 0 ? "CORRUPT" : lacking + unavailable > 0 ? "DEGRADED" : "HEALTHY";
  return { verdict, ...report };
}

/** Looks again and again while copies are being made. */
async function repaired(session: Session): Promise<Report> {
  using progress = session.progress();
  let best = -1;
  let bestAt = performance.now();
  for (;;) {
    const report = await check(session);
    const { verdict, whole, chunks, lacking } = report;
    if (verdict === "HEALTHY") return report;
    if (whole > best) [best, bestAt] = [whole, performance.now()];
    // What is lost or unavailable, no copy can be made of.
    if (lacking === 0 || performance.now() - bestAt > stuckMs) return report;
    progress.show(`${bar(whole, chunks)} ${whole} of ${chunks} chunks are whole`);
    await sleep(lookMs, undefined, { signal: session.signal });
  }
}
