/** What the benchmarks read from a log entry, and what they leave alone. */
import test from "ava";
import { workOf } from "../../bench/work-follower.ts";

const nothing = { completed: [], assigned: [], down: undefined, atMs: undefined };

test("an entry that is no command says nothing of queries", (t) => {
  t.deepEqual(workOf({ kind: "noop", term: 3 }, 1), nothing);
});

test("a command that is no work says nothing of queries", (t) => {
  const command = { v: 1, operation: { kind: "set-job", job: "j1" } };
  t.deepEqual(workOf({ kind: "command", term: 3, command }, 1), nothing);
});

test("a completion carries the term of the leader that proposed it", (t) => {
  const complete = [
    { job: "j1", query: 7, node: "n2", elapsedMs: 40, outputs: [[1, 2], "unreadable"] },
  ];
  const assign = [{ job: "j2", node: "n3" }];
  const command = { v: 1, at: 9, operation: { kind: "work", complete, assign } };
  t.deepEqual(workOf({ kind: "command", term: 3, command }, 12.5), {
    completed: [
      {
        job: "j1",
        query: 7,
        node: "n2",
        inputs: 2,
        elapsedMs: 40,
        spanMs: 40,
        term: 3,
        seenMs: 12.5,
        atMs: 9,
      },
    ],
    assigned: ["j2"],
    down: undefined,
    atMs: 9,
  });
});

test("a node is noticed when it is marked down, not when it is marked up", (t) => {
  const mark = (state: string): unknown => ({
    operation: { kind: "mark-member", node: "n2", state },
  });
  t.is(workOf({ kind: "command", term: 3, command: mark("down") }, 1).down, "n2");
  t.is(workOf({ kind: "command", term: 3, command: mark("up") }, 1).down, undefined);
});
