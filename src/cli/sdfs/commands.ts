/** `idunno sdfs`: the replicated file store. */
import type { Command } from "commander";
import type { Open } from "../session.ts";
import { addUsageCommand } from "./du.ts";
import { addFsckCommand } from "./fsck.ts";
import { addGetCommands } from "./get.ts";
import { addInspectCommands } from "./inspect.ts";
import { addListCommand } from "./list.ts";
import { addMoveCommand } from "./move.ts";
import { addPutCommand } from "./put.ts";
import { addQuotaCommands } from "./quota.ts";

export function addSdfsCommands(program: Command, open: Open): void {
  const sdfs = program
    .command("sdfs")
    .description("the replicated file store")
    .addHelpText(
      "after",
      `
A path is images/cat.jpg; images/cat.jpg@2 is its second version.
(The newest version of a file that is itself named cat@2 is cat@2@.)

Examples:
  idunno sdfs put -r photos images
  idunno sdfs ls -l images
  idunno sdfs cat jobs/j42/results.ndjson | head
  idunno sdfs locate images/cat.jpg`,
    );
  addPutCommand(sdfs, open);
  addGetCommands(sdfs, open);
  addListCommand(sdfs, open);
  addUsageCommand(sdfs, open);
  addMoveCommand(sdfs, open);
  addQuotaCommands(sdfs, open);
  addInspectCommands(sdfs, open);
  addFsckCommand(sdfs, open);
}
