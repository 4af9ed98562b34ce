/** `idunno job`: models over files. */
import type { Command } from "commander";
import type { Open } from "../session.ts";
import { addControlCommands } from "./control.ts";
import { addInspectCommands } from "./inspect.ts";
import { addSubmitCommands } from "./submit.ts";

export function addJobCommands(program: Command, open: Open): void {
  const group = program
    .command("job")
    .description("run models over files")
    .addHelpText(
      "after",
      `
Examples:
  idunno job submit --model mobilenet --input images/
  idunno job ls
  idunno job set j42 --batch-size 16
  idunno job stats j42
  idunno job results j42 > results.ndjson`,
    );
  addSubmitCommands(group, open);
  addInspectCommands(group, open);
  addControlCommands(group, open);
}
