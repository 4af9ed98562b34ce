/** `idunno job set`, `pause`, `resume` and `cancel`. */
import type { Command } from "commander";
import type { SetJobBody } from "../../lib/api/jobs.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { integer, jobId, priority, weight } from "../options.ts";
import type { Open } from "../session.ts";
import { jobColumns } from "./columns.ts";

const verbs = [
  ["pause", "paused", "hand out no more queries of a job; what is running ends"],
  ["resume", "running", "go on with a paused job"],
  ["cancel", "cancelled", "end a job for good; what it has done stays readable"],
] as const;

interface SetOptions {
  readonly batchSize?: number;
  readonly weight?: number;
  readonly priority?: number;
}

export function addControlCommands(group: Command, open: Open): void {
  const set = async (id: string, body: SetJobBody, command: Command): Promise<void> => {
    const session = open(command);
    const job = await session.client.setJob(id, body, { signal: session.signal });
    await session.print.record(job, jobColumns);
  };

  group
    .command("set")
    .argument("<id>", "the job", jobId)
    .description("change a job while it runs; queries carved from now on have the new batch size")
    .option("--batch-size <inputs>", "inputs of a query", integer(1, 1024))
    .option("--weight <number>", "share against other jobs of its priority", weight)
    .option("--priority <class>", "-10 to 10; a higher one is served first", priority)
    .action(async (id: string, options: SetOptions, command: Command) => {
      if (Object.keys(options).length === 0)
        throw new IDunnoError("USAGE", {
          message: "nothing to set: give --batch-size, --weight or --priority",
        });
      await set(id, { ...options }, command);
    });

  for (const [verb, state, description] of verbs)
    group
      .command(verb)
      .argument("<id>", "the job", jobId)
      .description(description)
      .action(async (id: string, _options: object, command: Command) =>
        set(id, { state }, command),
      );
}
