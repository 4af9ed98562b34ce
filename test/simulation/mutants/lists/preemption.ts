/**
 * Mistakes in how newcomers go first on one machine (src/inference), for the simulator of whole nodes. The numbers are those
 * of slots.ts and dispatcher.ts.
 */
import { type Mutant, mutants } from "../mutant.ts";

const slots = mutants({ file: "src/inference/slots.ts", world: "cluster" }, [
  {
    name: "newcomer-waits-for-a-slot",
    bug: "Y5: the spare thread stays idle, and a newcomer waits until a slot has nothing to do",
    find: "[...this.#assignUpTo(1, !hasSpare), ...this.#assignExpress()]",
    replace: "[...this.#assignUpTo(1, !hasSpare)]",
    seenBy: "Y5",
  },
  {
    name: "newcomer-yields-to-a-newcomer",
    bug: "Y3: yields are nested: a slot that runs a job's first query makes way for another's",
    find: "!item.express && !item.cancelled",
    replace: "!item.cancelled",
    seenBy: "Y3",
  },
  {
    name: "two-newcomers-on-the-spare-thread",
    bug: "Y1, Y2: a second newcomer is given to the spare thread and makes a second slot yield",
    find: "if (spare === undefined || spare.length > 0) return [];",
    replace: "if (spare === undefined) return [];",
    seenBy: "Y2",
  },
  {
    name: "yields-beside-an-idle-slot",
    bug: "Y3: a slot stands still though a core is free",
    find: "if (this.hasIdle) this.#yield = undefined;",
    replace: "",
    seenBy: "Y3",
  },
  {
    name: "standing-query-is-blamed",
    bug: "Y8: a query that stood still when another ended the process is taken for a suspect",
    find: "const stands = this.#standing;",
    replace: "const stands = undefined as number | undefined;",
    seenBy: "Y8",
  },
]);

const daemon = mutants({ file: "src/inference/dispatcher.ts", world: "cluster" }, [
  {
    name: "slot-never-resumes",
    bug: "Y6: a slot that yielded is never told to go on",
    find: 'live?.send(told.is.slot, { kind: "resume", by: told.is.by.order });',
    replace: "",
    seenBy: "Y6; a job that does not end",
  },
  {
    name: "stands-for-a-newcomer-that-hangs",
    bug: "Y6: a slot has no patience of its own: it stands until a newcomer's time-out",
    find: "this.#clock.after(this.#yieldMs, ",
    replace: "this.#clock.after(100 * this.#yieldMs, ",
    seenBy: "Y6",
  },
  {
    name: "standing-still-counts",
    bug: "Y7: time in which a query stands still counts for its time-out",
    find: "if (yielding?.stopped === true && yielding.slot === slot) item.pause();",
    replace: "if (yielding?.stopped === true && yielding.slot < 0) item.pause();",
    seenBy: "Y7: one that stood still and hangs later",
  },
]);

const threads: readonly Mutant[] = [
  {
    name: "outputs-dropped-on-resume",
    bug: "Y4: a query that goes on has lost the outputs from before it stood still",
    file: "src/inference/query-runner.ts",
    find: "yieldedMs += waitFrom - boundaryAt;",
    replace:
      'yieldedMs += waitFrom - boundaryAt;\n    if (waitFrom > boundaryAt) outputs.fill({ kind: "error", code: "wrong_output" });',
    world: "cluster",
    seenBy: "Y4; J2",
  },
  {
    name: "begun-query-is-recalled",
    bug: "Y4: a query that its thread has begun meanwhile is given back, and run in another slot as well",
    file: "src/inference/slot-thread.ts",
    find: "if (at < 1) return;",
    replace: "if (at < 0) return;",
    world: "cluster",
    seenBy: "Y4",
  },
];

export const preemptionMutants: readonly Mutant[] = [...slots, ...daemon, ...threads];
