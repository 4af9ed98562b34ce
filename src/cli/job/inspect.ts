/** `idunno job ls`, `status`, `stats`, `assignments`, `queries` and `results`. */
import type { Command } from "commander";
import { parseResultLine } from "../../client/answers.ts";
import { humanBytes } from "../format.ts";
import { jobId } from "../options.ts";
import type { Open } from "../session.ts";
import {
  assignedJobColumns,
  assignedNodeColumns,
  jobColumns,
  jobDetails,
  queryColumns,
  statisticsColumns,
} from "./columns.ts";

export function addInspectCommands(group: Command, open: Open): void {
  group
    .command("ls")
    .description("list the jobs")
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      await session.print.rows(await session.client.jobs({ signal: session.signal }), jobColumns);
    });

  group
    .command("status")
    .argument("<id>", "the job", jobId)
    .description("everything about one job")
    .action(async (id: string, _options: object, command: Command) => {
      const session = open(command);
      const job = await session.client.job(id, { signal: session.signal });
      await session.print.record(job, jobDetails);
      if (job.results !== undefined) session.note(`results: ${humanBytes(job.results.bytes)}`);
    });

  group
    .command("stats")
    .argument("<id>", "the job", jobId)
    .description("queries done, their rate over the last 10 s, and the slot time that each took")
    .action(async (id: string, _options: object, command: Command) => {
      const session = open(command);
      const { statistics } = await session.client.job(id, { signal: session.signal });
      await session.print.record(statistics, statisticsColumns);
    });

  group
    .command("assignments")
    .description("which node works on which queries, and each job's share of the slots")
    .action(async (_options: object, command: Command) => {
      const session = open(command);
      const view = await session.client.assignments({ signal: session.signal });
      await session.print.rows(view.nodes, assignedNodeColumns, view);
      if (session.print.format !== "table") return;
      await session.print.line("");
      await session.print.rows(view.jobs, assignedJobColumns);
    });

  group
    .command("queries")
    .argument("<id>", "the job", jobId)
    .description("the queries of a job that are under way")
    .action(async (id: string, _options: object, command: Command) => {
      const session = open(command);
      const queries = await session.client.jobQueries(id, { signal: session.signal });
      await session.print.rows(queries, queryColumns);
    });
  addResults(group, open);
}

function addResults(group: Command, open: Open): void {
  group
    .command("results")
    .argument("<id>", "the job", jobId)
    .description("a line of JSON for each input, in input order; -o csv for spreadsheets")
    .option("-f, --follow", "go on until the job has ended")
    .addHelpText(
      "after",
      `
Examples:
  idunno job results j42 > results.ndjson
  idunno job results j42 --follow | jq -r 'select(.error) | .input'
  idunno job results j42 -o csv`,
    )
    .action(async (id: string, options: { follow?: true }, command: Command) => {
      const session = open(command);
      const { client, print, signal } = session;
      if (options.follow === true) await session.learnNodes();
      if (print.format === "csv")
        await print.csvLine(["input", "label", "score", "error", "file", "row"]);
      for await (const line of client.resultLines(id, {
        follow: options.follow ?? false,
        signal,
      })) {
        if (print.format !== "csv") {
          await print.line(line);
          continue;
        }
        const result = parseResultLine(line);
        const best = "top" in result ? result.top[0] : undefined;
        const error = "error" in result ? result.error : undefined;
        const { file, row } = "tensors" in result ? result.tensors : {};
        await print.csvLine([result.input, best?.label, best?.score, error, file, row]);
      }
    });
}
