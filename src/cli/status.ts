/** `idunno status` and `idunno members`: is it well, and who is there. */
import type { Command } from "commander";
import type { MemberView, StatusView } from "../lib/api/cluster.ts";
import { exitCodes } from "./exit-codes.ts";
import { humanBytes, humanDuration, plural } from "./format.ts";
import type { Column } from "./output.ts";
import type { Open } from "./session.ts";

const memberColumns: readonly Column<MemberView>[] = [
  { name: "node", value: ({ node }) => node },
  { name: "state", value: ({ state }) => state },
  { name: "role", value: ({ role }) => role },
  { name: "slots", value: ({ slots }) => slots },
  { name: "http", value: ({ httpAddress }) => httpAddress },
  { name: "peer", value: ({ peerAddress }) => peerAddress },
  {
    name: "room",
    value: ({ roomBytes }) => roomBytes,
    human: ({ roomBytes }) =>
      roomBytes === undefined ? "" : roomBytes === 0 ? "full" : humanBytes(roomBytes),
  },
  {
    name: "since",
    value: ({ sinceMs }) => sinceMs,
    human: ({ sinceMs }) => humanDuration(sinceMs),
  },
  {
    name: "labels",
    value: ({ labels }) =>
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(" "),
  },
];

const statusColumns: readonly Column<StatusView>[] = [
  { name: "cluster", value: ({ cluster }) => cluster },
  { name: "generation", value: ({ generation }) => generation },
  { name: "node", value: ({ node }) => node },
  { name: "version", value: ({ version }) => version },
  { name: "role", value: ({ role }) => role },
  { name: "leader", value: ({ leader }) => leader ?? "none" },
  { name: "term", value: ({ term }) => term },
  { name: "ready", value: ({ ready }) => ready, human: ({ ready }) => (ready ? "yes" : "no") },
  {
    name: "log",
    value: ({ lastIndex }) => lastIndex,
    human: ({ appliedIndex, commitIndex, lastIndex }) =>
      `applied ${appliedIndex}, committed ${commitIndex}, last ${lastIndex}`,
  },
  {
    name: "jobs",
    value: ({ jobs }) => jobs.running,
    human: ({ jobs }) => `${jobs.running} running, ${jobs.paused} paused, ${jobs.ended} ended`,
  },
  {
    name: "executor",
    value: ({ executor }) => executor.running,
    human: ({ executor }) =>
      `${executor.running} running, ${executor.queued} waiting, ${plural(executor.slots, "slot")}`,
  },
  {
    name: "store",
    value: ({ store }) => store.freeBytes,
    human: ({ store }) => storeLine(store),
  },
  {
    name: "repair",
    value: ({ repair }) => repair?.underWay,
    human: ({ repair }) => (repair === undefined ? "the leader's" : repairLine(repair)),
  },
  {
    name: "loop delay p99",
    value: ({ loopDelayMsP99 }) => loopDelayMsP99,
    human: ({ loopDelayMsP99 }) => humanDuration(loopDelayMsP99),
  },
  {
    name: "memory",
    value: ({ residentBytes }) => residentBytes,
    human: ({ residentBytes }) => humanBytes(residentBytes),
  },
  {
    name: "uptime",
    value: ({ uptimeMs }) => uptimeMs,
    human: ({ uptimeMs }) => humanDuration(uptimeMs),
  },
];

/** `12.0 GiB free; 310 chunks read, 0 damaged, 2 h 10 m ago` */
function storeLine({ freeBytes, isFull, scrub }: StatusView["store"]): string {
  const free = freeBytes === undefined ? "" : isFull ? "full; " : `${humanBytes(freeBytes)} free; `;
  const when = scrub.isRunning
    ? "so far"
    : scrub.endedAgoMs === undefined
      ? "not read yet"
      : `${humanDuration(scrub.endedAgoMs)} ago`;
  return `${free}${plural(scrub.chunks, "chunk")} read, ${scrub.damaged} damaged, ${when}`;
}

/** `120 chunks wanting, 8 copies under way, 64 made (240.0 MiB)` */
function repairLine({
  copied,
  bytes,
  underWay,
  wanting,
  heldUp,
}: NonNullable<StatusView["repair"]>): string {
  const made = `${copied} made (${humanBytes(bytes)})`;
  const waiting = heldUp === 0 ? "" : `, ${plural(heldUp, "chunk")} held up by full disks`;
  if (wanting === 0 && underWay === 0) return `nothing to do, ${made}`;
  return `${plural(wanting, "chunk")} wanting, ${underWay} copies under way${waiting}, ${made}`;
}

/** What is wrong with a cluster as a node sees it; empty when it is healthy. */
export function complaints(status: StatusView): string[] {
  return [
    ...(status.leader === undefined ? [`${status.node} knows no leader`] : []),
    ...(status.ready ? [] : [`${status.node} is not ready`]),
    ...(status.role === "damaged" ? [`${status.node} is damaged: its log is being refilled`] : []),
    ...status.members
      .filter(({ state }) => state === "down")
      .map(({ node, sinceMs }) => `${node} has been down for ${humanDuration(sinceMs)}`),
    ...status.members
      .filter(({ roomBytes, state }) => roomBytes === 0 && state === "up")
      .map(({ node }) => `the disk of ${node} is full`),
  ];
}

export function addStatusCommands(program: Command, open: Open): void {
  program
    .command("status")
    .description("what one node sees of the cluster and of itself")
    .option("--check", "exit with 6 unless there is a leader, every member is up and it is ready")
    .addHelpText(
      "after",
      `
Examples:
  idunno status
  idunno status --node 10.0.0.3:8001     that node's own view
  idunno status --check || page-somebody
  idunno status -o json | jq .term`,
    )
    .action(async (options: { check?: true }, command: Command) => {
      const session = open(command);
      const status = await session.client.status({ signal: session.signal });
      await session.print.record(status, statusColumns);
      if (session.print.format === "table") {
        await session.print.line("");
        await session.print.rows(status.members, memberColumns);
      }
      if (options.check !== true) return;
      const wrong = complaints(status);
      for (const complaint of wrong) session.note(`unhealthy: ${complaint}`);
      if (wrong.length > 0) session.exitCode = exitCodes.unhealthy;
    });

  program
    .command("members")
    .description("the members of the cluster, the same list from every node")
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      await session.print.rows(
        await session.client.members({ signal: session.signal }),
        memberColumns,
      );
    });
}
