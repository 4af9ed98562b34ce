/** `idunno job submit`, `watch` and `wait`. */
import type { Command } from "commander";
import type { JobView, RetryJobBody, SubmitJobBody } from "../../lib/api/jobs.ts";
import { integer, jobId, jobIds, modelNamed, priority, weight } from "../options.ts";
import type { Open, Session } from "../session.ts";
import { jobColumns, jobDetails } from "./columns.ts";
import { judge, untilJobEnded } from "./wait.ts";

interface SubmitOptions {
  readonly model: string;
  readonly input: string[];
  readonly name?: string;
  readonly batchSize?: number;
  readonly weight?: number;
  readonly priority?: number;
  readonly maxErrors?: number;
  readonly wait: boolean;
}

function submission(options: SubmitOptions): SubmitJobBody {
  const { model, input: inputs, name, batchSize, weight, priority: ofClass, maxErrors } = options;
  return {
    model,
    inputs,
    ...(name === undefined ? {} : { name }),
    ...(batchSize === undefined ? {} : { batchSize }),
    ...(weight === undefined ? {} : { weight }),
    ...(ofClass === undefined ? {} : { priority: ofClass }),
    ...(maxErrors === undefined ? {} : { maxErrors }),
  };
}

type RetryOptions = RetryJobBody & { readonly wait: boolean };

async function showEnd(session: Session, job: JobView): Promise<void> {
  await session.print.record(job, jobDetails);
  if (job.state === "done") session.note(`next: idunno job results ${job.id}`);
  judge(session, job);
}

/** Of a job that was just taken in. */
async function follow(session: Session, job: JobView, wait: boolean): Promise<void> {
  if (!wait) {
    await session.print.record(job, jobColumns);
    session.note(`next: idunno job watch ${job.id}`);
    return;
  }
  session.note(`${job.id} submitted: ${job.totalInputs} inputs`);
  await showEnd(session, await untilJobEnded(session, job.id, undefined));
}

function addRetry(group: Command, open: Open): void {
  group
    .command("retry")
    .argument("<id>", "the job, which must have ended", jobId)
    .description("a new job over the inputs that failed or were never done, and wait for its end")
    .option(
      "--model <name>",
      "NAME, NAME@VERSION or an alias, in place of the very model that the job had",
      modelNamed,
    )
    .option("--name <name>", "for people")
    .option("--batch-size <inputs>", "inputs of a query", integer(1, 1024))
    .option("--weight <number>", "share against other jobs of its priority", weight)
    .option("--priority <class>", "-10 to 10; a higher one is served first", priority)
    .option("--max-errors <inputs>", "fail when more inputs than this fail", integer(0))
    .option("--no-wait", "come back once it is accepted")
    .addHelpText(
      "after",
      `
Examples:
  idunno job retry j42
  idunno job retry j42 --batch-size 1 --priority 1

What is not given is as the job had it. Inputs are the very versions that the job had.`,
    )
    .action(async (id: string, { wait, ...body }: RetryOptions, command: Command) => {
      const session = open(command);
      const job = await session.client.retryJob(id, body, { signal: session.signal });
      await follow(session, job, wait);
    });
}

export function addSubmitCommands(group: Command, open: Open): void {
  group
    .command("submit")
    .description("run a model over files in SDFS, and wait for the end")
    .requiredOption(
      "--model <name>",
      "NAME, NAME@VERSION or an alias; see 'idunno model ls'",
      modelNamed,
    )
    .requiredOption("--input <prefix...>", "files, or folders of them, in SDFS")
    .option("--name <name>", "for people")
    .option("--batch-size <inputs>", "inputs of a query", integer(1, 1024))
    .option("--weight <number>", "share against other jobs: 2 gets twice the query rate", weight)
    .option("--priority <class>", "-10 to 10, else 0; a higher one is served first", priority)
    .option("--max-errors <inputs>", "fail when more inputs than this fail", integer(0))
    .option("--no-wait", "come back once it is accepted")
    .addHelpText(
      "after",
      `
Examples:
  idunno job submit --model mobilenet --input images/
  idunno job submit --model mobilenet --input images/a images/b.jpg --batch-size 8
  idunno job submit --model mobilenet@2 --input images/            an older version
  id=$(idunno job submit --model mobilenet --input images/ --no-wait -o json | jq -r .id)

Exits with 0 when the job is done, 1 when it failed or was cancelled. Ctrl-C leaves it running.`,
    )
    .action(async (options: SubmitOptions, command: Command) => {
      const session = open(command);
      const job = await session.client.submitJob(submission(options), { signal: session.signal });
      await follow(session, job, options.wait);
    });

  addRetry(group, open);
  group
    .command("watch")
    .argument("<id>", "the job", jobId)
    .description("show how far a job is until it has ended")
    .action(async (id: string, _options: object, command: Command) => {
      const session = open(command);
      await showEnd(session, await untilJobEnded(session, id, undefined));
    });

  group
    .command("wait")
    .argument("<id...>", "the jobs", jobIds)
    .description("wait until jobs have ended, for --timeout at most if given")
    .action(async (ids: string[], _options: object, command: Command) => {
      const session = open(command);
      const startMs = performance.now();
      const jobs: JobView[] = [];
      for (const id of ids) {
        const left =
          session.timeoutMs === undefined
            ? undefined
            : Math.max(0, session.timeoutMs - (performance.now() - startMs));
        jobs.push(await untilJobEnded(session, id, left));
      }
      await session.print.rows(jobs, jobColumns);
      for (const job of jobs) judge(session, job);
    });
}
