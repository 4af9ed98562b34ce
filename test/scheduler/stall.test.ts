/** What a job without progress is said to wait for. */
import test from "ava";
import { Attempt, type JobId, LogTime } from "../../src/lib/types.ts";
import { type Stall, stallOf } from "../../src/scheduler/stall.ts";
import {
  assign,
  cluster,
  completion,
  nodeName,
  outputs,
  type Replica,
  submit,
  work,
} from "../machine/fixtures.ts";

const endless = { totalInputs: 1_000, batchSize: 4 };

function look(replica: Replica, id: JobId, slots = 4): Stall | undefined {
  const { machine } = replica;
  const job = machine.jobs.get(id);
  if (job === undefined) throw new Error("no such job");
  const openQueries = machine.openQueries(id);
  return stallOf(job, {
    now: LogTime(replica.at),
    jobs: machine.jobs.values(),
    openQueries,
    slots,
  });
}

test("a job is said to wait after 10 s, or four times its p95, without a result", (t) => {
  const replica = cluster(2);
  const id = submit(replica, endless);
  const known = { kind: "known", why: "a free slot" } as const;
  replica.at += 9_990;
  t.is(look(replica, id), undefined);
  replica.at += 10;
  t.deepEqual(look(replica, id), known);
  replica.must(work([], [assign(id, 1)]));
  replica.must(work([completion(id, 0, outputs(4), { elapsedMs: 5_000 })], []));
  t.is(look(replica, id), undefined, "a result is progress");
  replica.at += 18_000;
  t.is(look(replica, id), undefined);
  replica.at += 4_000;
  t.deepEqual(look(replica, id), known);
  replica.must({ kind: "steer-job", job: id, to: "paused" });
  t.is(look(replica, id), undefined, "who is paused waits for nothing");
});

test("it is told by the state what nobody has in hand waits for", (t) => {
  const replica = cluster(2);
  const id = submit(replica, { ...endless, totalInputs: 4 });
  const above = submit(replica, { ...endless, priority: 3 });
  const whyOf = (slots?: number): string | undefined => {
    const stall = look(replica, id, slots);
    return stall?.kind === "known" ? stall.why : stall?.kind;
  };
  replica.at += 30_000;
  t.is(whyOf(0), "a node with slots: none is up");
  t.is(whyOf(), `jobs of a higher priority: ${above}`);
  replica.must({ kind: "steer-job", job: above, to: "cancelled" });
  t.is(whyOf(), "a free slot");
  replica.must(work([], [assign(id, 2)]));
  replica.at += 30_000;
  t.deepEqual(look(replica, id), { kind: "in-hand", nodes: [nodeName(2)] });
  replica.must({ kind: "mark-member", node: nodeName(2), boot: "boot2", state: "down" });
  t.is(whyOf(), "a node that takes its queries over");
  replica.must(work([], [assign(id, 1, 0)]));
  replica.must(work([{ ...completion(id, 0, outputs(4)), attempt: Attempt(2) }], []));
  replica.at += 30_000;
  t.is(whyOf(), "its results file to have its copies");
});

test("one whose queries end executors is told from one that waits for a slot", (t) => {
  const replica = cluster(2);
  const id = submit(replica, endless);
  submit(replica, endless);
  replica.must(work([], [assign(id, 1)]));
  replica.must(work([{ ...completion(id, 0, []), failed: "killed" }], []));
  for (const query of [1, 2]) {
    replica.must(work([], [assign(id, 1, query)]));
    replica.must(work([completion(id, query, outputs(2))], []));
  }
  replica.at += 30_000;
  t.deepEqual(look(replica, id), {
    kind: "known",
    why: "a place among jobs on probation: its queries ended executors",
  });
});
