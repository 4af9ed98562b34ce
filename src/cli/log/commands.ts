/** `idunno log`: what happened, from a running node or from a stopped node's directory. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { LogEntryView } from "../../lib/api/files.ts";
import { IDunnoError } from "../../lib/errors.ts";
import type { NodeDoor } from "../node-door.ts";
import { integer } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open, Session } from "../session.ts";
import { entriesOfNode, lastOf, type Range, withinRange } from "./entries.ts";
import { verifyLog } from "./verify.ts";

/** Between two looks at a log that is followed. */
const lookMs = 250;
/** Of a command in a table: what fits beside the rest on a wide terminal. */
const commandCharacters = 100;

/** What to write: the whole of an entry is in json and ndjson. */
const columns: readonly Column<LogEntryView>[] = [
  { name: "index", value: ({ index }) => index },
  { name: "term", value: ({ term }) => term },
  { name: "kind", value: ({ kind }) => kind },
  { name: "bytes", value: ({ bytes }) => bytes },
  { name: "chain", value: ({ chain }) => chain, human: ({ chain }) => chain.slice(0, 12) },
  {
    name: "command",
    value: ({ command }) => (command === undefined ? undefined : JSON.stringify(command)),
    human: ({ command }) => JSON.stringify(command).slice(0, commandCharacters),
  },
];

/** Rows of one group on a screen: columns are as wide as this many need. */
const tableRows = 1_000;

interface Source {
  readonly dataDir?: string;
}

/** Prints as it reads, so that a log of any length can be dumped. */
async function printEntries(session: Session, entries: AsyncIterable<LogEntryView>): Promise<void> {
  if (session.print.format === "ndjson") {
    for await (const entry of entries) await session.print.line(JSON.stringify(entry));
    return;
  }
  const rowsAtOnce = session.print.format === "table" ? tableRows : Number.POSITIVE_INFINITY;
  let rows: LogEntryView[] = [];
  let shown = 0;
  for await (const entry of entries) {
    rows.push(entry);
    if (rows.length < rowsAtOnce) continue;
    await session.print.rows(rows, columns);
    shown += rows.length;
    rows = [];
  }
  if (rows.length > 0 || shown === 0) await session.print.rows(rows, columns);
}

export function addLogCommands(program: Command, open: Open, door: NodeDoor): void {
  const entriesOf = async (
    session: Session,
    { dataDir }: Source,
    range: Range,
  ): Promise<{ where: string; entries: AsyncIterable<LogEntryView> }> => {
    if (dataDir === undefined) {
      const { node, entries } = await ofRunningNode(session, range);
      return { where: node, entries };
    }
    const directory = session.local(dataDir);
    const openLogDirectory = await door.openLogDirectory();
    return { where: directory, entries: withinRange(openLogDirectory(directory), range) };
  };

  const log = program
    .command("log")
    .description("the replicated log of one node")
    .addHelpText(
      "after",
      `
Examples:
  idunno log tail -f
  idunno log dump --from 100 --limit 20 -o json
  idunno log verify --node 10.0.0.3:8001
  idunno log verify --data-dir /var/lib/idunno      of a stopped node`,
    );
  const onDirectory = (command: Command): Command =>
    command.option("--data-dir <directory>", "read the directory of a stopped node");

  onDirectory(log.command("dump").description("print entries"))
    .option("--from <index>", "the first one", integer(1))
    .option("--limit <number>", "how many", integer(1))
    .action(async (options: Source & Range, command: Command) => {
      const session = open(command);
      const { entries } = await entriesOf(session, options, options);
      await printEntries(session, entries);
    });

  onDirectory(log.command("tail").description("print the last entries"))
    .option("-n, --lines <number>", "how many", integer(1, 100_000), 20)
    .option("-f, --follow", "go on as entries come, a line of JSON each")
    .action(async (options: Source & { lines: number; follow?: true }, command: Command) => {
      const session = open(command);
      if (options.follow === true) return follow(session, options);
      if (options.dataDir === undefined) {
        const { entries } = await ofRunningNode(session, { last: options.lines });
        return printEntries(session, entries);
      }
      const { entries } = await entriesOf(session, options, {});
      await session.print.rows(await lastOf(entries, options.lines), columns);
    });

  onDirectory(log.command("verify").description("check it; exit with 6 if it is damaged")).action(
    async (options: Source, command: Command) => {
      const session = open(command);
      const { where, entries } = await entriesOf(session, options, {});
      const count = await verifyLog(entries, where);
      if (session.print.format === "json" || session.print.format === "ndjson")
        await session.print.line(JSON.stringify({ entries: count, chain: "OK" }));
      else await session.print.line(`${count} ${count === 1 ? "entry" : "entries"}, chain OK`);
    },
  );
}

/** Stays with the node that answers: another one's log may begin and end elsewhere. */
async function ofRunningNode(
  session: Session,
  range: Range & { readonly last?: number },
): Promise<{ node: string; entries: AsyncGenerator<LogEntryView> }> {
  const { signal } = session;
  const { node, lastIndex } = await session.client.status({ signal });
  const from = range.last === undefined ? range.from : Math.max(1, lastIndex - range.last + 1);
  return { node, entries: entriesOfNode(session.client.pinned(), { ...range, from }, signal) };
}

async function follow(
  session: Session,
  { dataDir, lines }: Source & { readonly lines: number },
): Promise<void> {
  if (dataDir !== undefined)
    throw new IDunnoError("USAGE", {
      message: `the log in ${dataDir} does not grow while its node is stopped: leave out --follow`,
    });
  const { signal } = session;
  let { entries } = await ofRunningNode(session, { last: lines });
  let next: number | undefined;
  for (;;) {
    for await (const entry of entries) {
      next = entry.index + 1;
      await session.print.line(JSON.stringify(entry));
    }
    await sleep(lookMs, undefined, { signal });
    entries = entriesOfNode(session.client.pinned(), { from: next }, signal);
  }
}
