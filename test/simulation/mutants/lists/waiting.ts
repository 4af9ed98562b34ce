/** Mutants that nothing is known to kill yet, and what is missing: a check or a fault to add, or a longer hunt. */
const rare = "it lived through ten seeds; hunted no further yet";
const notTried = "not hunted yet";
/** The tests of the state machine see them (test/machine/collection.test.ts). */
const race =
  "lived through 60 dense seeds: a run needs a put, a drop and a commit of one content within milliseconds";

export const waiting: Readonly<Record<string, string>> = {
  "attempt-number-again":
    "no node gets two attempts of one query in one life, so the number tells nothing apart",
  "ended-job-gets-work": "no run yet in which a job ends between a plan and its commit",
  "nonsense-keeps-its-place": "simulated executors answer no nonsense",
  "finished-twice": "no run yet in which two leaders finish a job",
  "completion-answered-before-commit":
    "the next leader tells its workers of all that is open, and they do it again: a delay, not a loss",
  "nobody-answers-after-a-change":
    "simulated clients give up by themselves; no check of who still waits",
  "stands-for-a-newcomer-that-hangs":
    "lived through 25 dense seeds: a newcomer has to hang while every slot is busy for a second",
  "standing-query-is-blamed":
    "lived through 30 dense seeds: the process has to end in the moment in which a slot stands still",
  "standing-still-counts":
    "lived through 25 dense seeds: a query has to stand still and to hang later",
  "next-queries-keep-turns":
    "lived through 60 dense seeds: more than four jobs have to compete on a slot; seed 100001 saw the bug itself",
  "retry-of-a-running-job":
    "lived through 40 dense seeds: the job has to end between the retry's look and its decision",
  "named-chunk-forgotten": race,
  "counted-copy-dropped": race,
  "drop-voids-nothing": race,
  "acknowledged-as-of-the-end": race,
  "new-leader-tells-nobody": rare,
  "lost-push-never-repeated": rare,
  "lost-chunks-ignored": rare,
  "answer-of-another-command": rare,
  "truncated-below-the-mark": rare,
  "lost-tail-not-noticed": rare,
  "applied-in-a-batch-of-its-own": rare,
  "log-cut-past-the-state": rare,
  "state-pointer-stays": rare,
  "leader-stays-down": rare,
  "heir-leaves-too": rare,
  "mark-is-trusted-as-read": rare,
  "unlisted-caller-unanswered":
    "two in a thousand lifelike seeds (345, 650) see it: a node has to lose log and state while a newcomer leads",
  "joiner-takes-members-for-founders": rare,
  "lost-store-still-counts": notTried,
  "work-for-a-dead-boot": rare,
  "old-boot-is-marked": notTried,
  "left-store-stays-active": notTried,
  "worker-forgets-early": notTried,
  "old-death-counts": notTried,
  "lost-stores-count": notTried,
  "repair-to-a-leaving-node": notTried,
  "leaving-copies-count": notTried,
  "damaged-copy-is-copied": notTried,
  "put-to-a-leaving-node": rare,
  "keys-of-the-old-state": notTried,
  "refused-command-leaves-rows": notTried,
  "forgotten-key-is-new": notTried,
  "key-without-its-request": notTried,
  "busy-for-ever": notTried,
  "retry-under-a-fresh-key": notTried,
};
