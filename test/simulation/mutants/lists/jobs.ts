/**
 * Mistakes in jobs, workers and the hand-out (src/scheduler, src/machine, src/node), for the simulator of whole nodes.
 */
import { type Mutant, mutants } from "../mutant.ts";

const work = mutants({ file: "src/scheduler/work.ts", world: "cluster" }, [
  {
    name: "second-result-counts",
    bug: "S2: a query stays open when its result is in, and a second one counts again",
    find: "queries.delete(rows, id);",
    replace: "",
    seenBy: "S2 and S3 on the rows: open and done at once; doneInputs beyond totalInputs",
  },
  {
    name: "carved-ranges-overlap",
    bug: "S1: the next query begins before the end of the last one",
    find: "cursor: job.cursor + count,",
    replace: "cursor: job.cursor + Math.max(1, count - 1),",
    seenBy: "S1 on the rows; an input twice in the results file",
  },
  {
    name: "attempt-number-again",
    bug: "S5: a further attempt has the number of the one before, and its worker takes it for known (W1)",
    find: "Attempt(open.lastAttempt + 1)",
    replace: "Attempt(open.lastAttempt)",
    seenBy: "S5 on the rows; a job that does not end",
  },
  {
    name: "ended-job-gets-work",
    bug: "S4: a plan made before a pause or a cancellation is carried out after it",
    find: 'if (job?.status.kind !== "running") return undefined;',
    replace: "if (job === undefined) return undefined;",
    seenBy: "S4 on the rows: an ended job with open queries",
  },
  {
    name: "nonsense-keeps-its-place",
    bug: "S5: a worker that answers nonsense is waited for for ever",
    find: "reject(rows, query, completion);",
    replace: "",
    seenBy: "a job that does not end, beside a worker that answers too few outputs",
  },
]);

const failures: readonly Mutant[] = [
  {
    name: "killer-query-given-up-whole",
    bug: "T2: a query that ended the executor is recorded as one failure, whatever else was in it",
    file: "src/scheduler/work.ts",
    find: "if (query.count > 1) {\n    jobs.set(split",
    replace: "if (query.count > 1_000_000) {\n    jobs.set(split",
    world: "cluster",
    seenBy: "J1: fewer results than inputs",
  },
  {
    name: "half-is-short",
    bug: "T2: the second half of a query that is split lacks its last input",
    file: "src/scheduler/failure.ts",
    find: "count: count - first })",
    replace: "count: Math.max(1, count - first - 1) })",
    world: "cluster",
    seenBy: "T2 and S1 on the rows: halves that do not cover what was split",
  },
  {
    name: "split-query-stays-open",
    bug: "S2: a query that was split is handed out again beside its halves",
    file: "src/scheduler/failure.ts",
    find: "queries.delete(rows, queryId(job.id, query.query));",
    replace: "",
    world: "cluster",
    seenBy: "J7: open queries",
  },
  {
    name: "used-executor-blames",
    bug: "T3: one input is blamed for the end of an executor that runs others as well",
    file: "src/node/worker.ts",
    find: "? executor.runAlone(request, { signal })",
    replace: "? executor.run(request, { signal })",
    world: "cluster",
    seenBy: "J2: an innocent input has an error record",
  },
  {
    name: "half-told-twice",
    bug: "the results of a half stand in the file twice: in the place of the query that was split, and under its own number",
    file: "src/node/result-reader.ts",
    find: "if (row.from < this.#next) continue;",
    replace: "",
    world: "cluster",
    seenBy: "J2: the bytes of the results file",
  },
];

const life = mutants({ file: "src/scheduler/lifecycle.ts", world: "cluster" }, [
  {
    name: "finished-twice",
    bug: "a job is finished by the old leader and by the new one, and its file has two versions",
    find: "noSuchJob(id);\n  if (hasEnded(job.status)) return ended(job);",
    replace: "noSuchJob(id);",
    seenBy: "S4: an ended job changes; two versions of its results",
  },
  {
    name: "cancelled-job-keeps-its-queries",
    bug: "S4: a cancelled job's open queries stay",
    find: "dropOpenQueries(rows, job.id);",
    replace: "",
    seenBy: "S4 on the rows",
  },
  {
    name: "pause-is-credit",
    bug: "F1: time spent paused is made good at the others' cost",
    find: "progress: Math.max(job.progress, fairStart(rows, job.priority ?? 0)),",
    replace: "progress: job.progress,",
    seenBy: "fairness: the ratio of query rates after a resume",
  },
  {
    name: "newcomer-begins-at-nothing",
    bug: "F1: a new job has all slots until it has caught up with the oldest",
    find: "progress: fairStart(rows, priority),",
    replace: "progress: 0,",
    seenBy: "fairness: the ratio of query rates after a submission",
  },
]);

const planning: readonly Mutant[] = [
  {
    name: "weight-ignored",
    bug: "F1: all jobs get the same share, whatever their weights",
    file: "src/scheduler/rows.ts",
    find: "progress + 1 / weight",
    replace: "progress + 1 / Math.max(1, Math.min(1, weight))",
    world: "cluster",
    seenBy: "fairness: query rates by weight",
  },
  {
    name: "priority-ignored",
    bug: "F8: jobs of all classes share as if they were of one",
    file: "src/scheduler/classes.ts",
    find: "if (classes !== 0) return classes > 0;",
    replace: "if (classes !== 0) return a.servedAt < b.servedAt;",
    world: "cluster",
    seenBy: "J10: a lower class is served beside a higher one before it has aged",
  },
  {
    name: "progress-kept-in-another-class",
    bug: "F1: who comes from another class brings its virtual time along, as credit or as debt",
    file: "src/scheduler/lifecycle.ts",
    find: "const progress = priority === before ? job.progress : fairStart(rows, priority);",
    replace: "const { progress } = job;",
    world: "cluster",
    seenBy: "J5: a newcomer of a class begins behind those who compete in it",
  },
  {
    name: "lost-query-never-handed-out",
    bug: "F4: a query whose nodes went down is nobody's",
    file: "src/scheduler/policy.ts",
    find: 'query.attempts.length === 0 && job.status.kind === "running"',
    replace: 'query.attempts.length < 0 && job.status.kind === "running"',
    world: "cluster",
    seenBy: "a job that does not end after a node died",
  },
  {
    name: "first-come-first-served",
    bug: "F1: the job that was submitted first gets every query, as long as it has inputs left",
    file: "src/scheduler/classes.ts",
    find: "if (a.progress !== b.progress) return a.progress < b.progress;",
    replace: "",
    world: "cluster",
    seenBy: "J5",
  },
  {
    name: "next-queries-keep-turns",
    bug: "F2: next queries go out while a job waits for its turn, which it then never has",
    file: "src/scheduler/policy.ts",
    find: "        mayHaveNext = false;",
    replace: "",
    world: "cluster",
    seenBy: "J5",
  },
  {
    name: "probation-without-share",
    bug: "F10: a job that has shown nothing yet competes for every slot",
    file: "src/scheduler/policy.ts",
    find: "return onProbation && cursor > 0 && queries >= most;",
    replace: "return onProbation && cursor > 0 && queries >= 1_000 * most;",
    world: "cluster",
    seenBy: "J13",
  },
  {
    name: "work-for-a-dead-boot",
    bug: "W1: a query is given to a boot that is gone, and dropped by the next one",
    file: "src/machine/tables.ts",
    find: " && member.boot === boot",
    replace: "",
    world: "cluster",
    seenBy: "a job that does not end after a node started anew",
  },
];

const members = mutants({ file: "src/machine/members.ts", world: "cluster" }, [
  {
    name: "dead-node-keeps-its-work",
    bug: "what a node had in hand when it went down is never handed out again",
    find: 'if (command.state !== "up") releaseAttempts(rows, command.node);',
    replace: "",
    seenBy: "a job that does not end after a node died",
  },
  {
    name: "new-boot-keeps-old-work",
    bug: "a node that starts anew is still believed to work on what its last boot had",
    find: "if (known !== undefined && known.boot !== said.boot) releaseAttempts(rows, said.node);",
    replace: "",
    seenBy: "a job that does not end after a quick restart",
  },
  {
    name: "old-boot-is-marked",
    bug: "what was said of an earlier boot marks the present one down",
    find: "member.boot !== command.boot || ",
    replace: "",
    seenBy: "a member down whose boot is connected; attempts released that are being worked on",
  },
  {
    name: "left-store-stays-active",
    bug: "C4: copies on a node that has left go on counting",
    find: 'if (command.state === "left") retireStore(rows, member);',
    replace: "",
    seenBy: "copies on live stores, counted from the disks, beside what a put was told",
  },
]);

const nodes: readonly Mutant[] = [
  {
    name: "outbox-drops-at-a-change",
    bug: "W2: finished results are dropped when the leader that should take them is gone",
    file: "src/node/results-outbox.ts",
    find: "if (signal.aborted) break;",
    replace:
      "if (signal.aborted) break;\n        this.#waiting = this.#waiting.slice(batch.length);",
    world: "cluster",
    seenBy: "a job that does not end after a change of leaders",
  },
  {
    name: "worker-forgets-early",
    bug: "W1: a worker forgets a query when it is done, not when it is committed, and runs it again",
    file: "src/node/worker.ts",
    find: "finished({\n        job:",
    replace: "this.forget(query);\n      finished({\n        job:",
    world: "cluster",
    seenBy: "W1: the executor counts (job, query, attempt) by boot",
  },
  {
    name: "new-leader-tells-nobody",
    bug: "assignments whose push was lost with the old leader are never heard of",
    file: "src/node/dispatcher.ts",
    find: "void this.#pushUntilHeard(node, queries);",
    replace: "void node;",
    world: "cluster",
    seenBy: "a job that does not end after a change of leaders",
  },
  {
    name: "lost-push-never-repeated",
    bug: "P17: a push that is not answered is not repeated",
    file: "src/node/dispatcher.ts",
    find: "await pause(runtime, pushAgainMs, signal);",
    replace: "return;",
    world: "cluster",
    seenBy: "a job that does not end after a lost message",
  },
  {
    name: "completion-answered-before-commit",
    bug: "W2: a worker is told that its results are committed when they are only proposed",
    file: "src/node/dispatcher.ts",
    find: "const complete = taken.map(({ completion }) => completion);",
    replace:
      "for (const { resolve } of taken) resolve();\n      const complete = taken.map(({ completion }) => completion);",
    world: "cluster",
    seenBy: "a job that does not end after the leader died in a commit",
  },
  {
    name: "old-death-counts",
    bug: "a port that refused before a restart marks the new boot down, for ever",
    file: "src/node/members.ts",
    find: "(diedBoot === undefined || diedBoot === member.boot)",
    replace: "(diedBoot === undefined || diedBoot !== member.incarnation)",
    world: "cluster",
    seenBy: "a member down whose boot is connected, in calm",
  },
  {
    name: "nobody-looks-again",
    bug: "the leader looks at its members when one connects or dies, and never when one falls silent or is heard again",
    file: "src/node/members.ts",
    find: "if (againMs < Infinity)",
    replace: "if (againMs < 0)",
    world: "cluster",
    seenBy: "a member down whose boot is connected, in calm",
  },
];

export const jobMutants: readonly Mutant[] = [
  ...work,
  ...failures,
  ...life,
  ...planning,
  ...members,
  ...nodes,
];
