/** `idunno recover`: for the day on which a majority is gone for good. */
import type { Command } from "commander";
import { IDunnoError } from "../lib/errors.ts";
import { plural } from "./format.ts";
import type { NodeDoor, RecoveryView } from "./node-door.ts";
import type { Column } from "./output.ts";
import type { Open } from "./session.ts";

const columns: readonly Column<RecoveryView>[] = [
  { name: "node", value: ({ node }) => node },
  { name: "cluster", value: ({ cluster }) => cluster },
  { name: "generation", value: ({ generation }) => generation },
  { name: "term", value: ({ term }) => term },
  { name: "last term", value: ({ lastTerm }) => lastTerm },
  { name: "last index", value: ({ lastIndex }) => lastIndex },
  { name: "base index", value: ({ baseIndex }) => baseIndex },
  { name: "applied index", value: ({ appliedIndex }) => appliedIndex },
  { name: "voters", value: ({ voters }) => voters.join(" ") },
  { name: "learners", value: ({ learners }) => learners.join(" ") },
  { name: "damage", value: ({ damage }) => damage.join("; ") },
];

interface Options {
  readonly dataDir: string;
  readonly inspect?: true;
  readonly acceptLoss?: true;
  readonly yes?: true;
}

export function addRecoverCommand(program: Command, open: Open, door: NodeDoor): void {
  program
    .command("recover")
    .description("after a majority is lost for good: go on with what one stopped node has")
    .requiredOption("--data-dir <directory>", "of the stopped node that has the most")
    .option("--inspect", "only say what it has")
    .option("--accept-loss", "go on even though its disk has lost something, which is named")
    .option("--yes", "really do it: whatever only the lost nodes had is given up for ever")
    .addHelpText(
      "after",
      `
Examples:
  idunno recover --data-dir /var/lib/idunno --inspect   on every survivor: the highest (last term, last index) has the most
  idunno recover --data-dir /var/lib/idunno --yes       on that one; then start it as always
  idunno start … --join h:p                             on the other survivors, in their old directories: their chunks stay`,
    )
    .action(async (options: Options, command: Command) => {
      const session = open(command);
      const { inspectDirectory, recoverDirectory } = await door.recovery();
      const directory = session.local(options.dataDir);
      if (options.inspect === true)
        return session.print.record(await inspectDirectory(directory), columns);
      if (options.yes !== true)
        throw new IDunnoError("USAGE", {
          message:
            "this gives up whatever only the lost nodes had, and shuts them out for ever; look with --inspect first, then add --yes",
        });
      const acceptLoss = options.acceptLoss === true;
      const had = await recoverDirectory(directory, { acceptLoss });
      await session.print.record(had, columns);
      const others = [...had.voters, ...had.learners].filter((node) => node !== had.node);
      session.note(
        `${had.node} is the only voter of generation ${had.generation + 1} now; ${plural(others.length, "other node")} of the old one must rejoin with --join${others.length === 0 ? "" : ` (${others.join(", ")})`}`,
      );
      return undefined;
    });
}
