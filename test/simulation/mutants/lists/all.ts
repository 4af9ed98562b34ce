/** All mutants, by what they are mistakes in. */
import type { Mutant } from "../mutant.ts";
import { answerMutants } from "./answers.ts";
import { electionMutants } from "./elections.ts";
import { fileMutants } from "./files.ts";
import { foundMutants } from "./found.ts";
import { jobMutants } from "./jobs.ts";
import { preemptionMutants } from "./preemption.ts";
import { readMutants } from "./reads.ts";
import { replicationMutants } from "./replication.ts";
import { secondTryMutants } from "./second-tries.ts";
import { stateMutants } from "./state.ts";
import { waiting } from "./waiting.ts";

const listed: readonly Mutant[] = [
  ...electionMutants,
  ...replicationMutants,
  ...readMutants,
  ...jobMutants,
  ...secondTryMutants,
  ...preemptionMutants,
  ...answerMutants,
  ...fileMutants,
  ...stateMutants,
  ...foundMutants,
];

export const allMutants: readonly Mutant[] = listed.map((mutant) => {
  const waitsFor = waiting[mutant.name];
  return waitsFor === undefined ? mutant : { ...mutant, waitsFor };
});
