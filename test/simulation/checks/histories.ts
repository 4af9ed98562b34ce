/** Whether what the clients saw could have come from one copy of each thing, one request at a time (Herlihy and Wing 1990). */
import type { Clients } from "../clients.ts";
import { checkLinearizable } from "../history/linearizability.ts";
import { fileModel, register } from "../history/models.ts";
import type { Model, Operation } from "../history/operation.ts";

/** Search states looked at before a history is given up as undecided. */
const maxStates = 300_000;

export function checkHistories({ settings, files }: Clients): void {
  check("settings", register, settings);
  check("files", fileModel, files);
}

function check<S, I, O>(
  what: string,
  model: Model<S, I, O>,
  operations: readonly Operation<I, O>[],
): void {
  const verdict = checkLinearizable(model, operations, { maxStates });
  if (verdict.kind !== "violation") return;
  const stuck = verdict.stuck.map((each) => JSON.stringify(each)).join("\n");
  throw new Error(
    `P5: the history of ${what} ${verdict.key} is not linearizable; stuck at\n${stuck}`,
  );
}
