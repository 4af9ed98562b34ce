/** Mistakes in how answers come out of an executor process (src/inference), for the simulator of whole nodes. */
import { type Mutant, mutants } from "../mutant.ts";

export const answerMutants: readonly Mutant[] = mutants(
  { file: "src/inference/answer-relay.ts", world: "cluster" },
  [
    {
      name: "answers-told-twice",
      bug: "A1: what has been sent stays with what waits, and is sent again",
      find: "this.#waiting.splice(0)",
      replace: "[...this.#waiting]",
      seenBy: "A1",
    },
    {
      name: "answers-wait-for-the-next",
      bug: "A2: a result that no other follows is never told",
      find: "this.#timer ??= this.#ports.clock.after(ANSWER_WAIT_MS, () => this.#flush());",
      replace: "",
      seenBy: "A2",
    },
    {
      name: "thread-runs-dry",
      bug: "A2: results wait though their thread has nothing else to run, and the daemon sends nothing",
      find: "held.size > REFILL_AT;",
      replace: "held.size >= 0;",
      seenBy: "A2",
    },
    {
      name: "failures-wait",
      bug: "A3: what went wrong with a brief query waits, and its thread goes on before the daemon knows",
      find: 'isBrief && message.kind === "done"',
      replace: "isBrief",
      seenBy: "A3",
    },
  ],
);
