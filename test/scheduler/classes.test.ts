/** Classes of priority: F8 and F9 of src/scheduler/policy.ts. */
import test from "ava";
import fc from "fast-check";
import { JobId, LogTime } from "../../src/lib/types.ts";
import { ageingMs, type Competitor, Standings } from "../../src/scheduler/classes.ts";
import { holds } from "../lib/property.ts";
import { type Replica, cluster, completion, outputs, submit, work } from "../machine/fixtures.ts";
import { begun, capacity, carryOut, plan, simulate } from "./planning.ts";

const node = capacity(1, 1);
const endless = { totalInputs: 1_000_000, batchSize: 1 };
const kept = { batchSize: undefined, weight: undefined };

/** Answers all that is open and hands out anew, one query in hand at a time: the jobs in the order of their turns. */
function turns(replica: Replica, count: number, everyMs = 1): JobId[] {
  const served: JobId[] = [];
  while (served.length < count) {
    const open = [...replica.machine.jobs.keys()].flatMap((id) => [
      ...replica.machine.openQueries(id),
    ]);
    replica.must(
      work(
        open.map((q) => completion(q.job, q.query, outputs(q.count))),
        [],
      ),
    );
    const [next] = plan(replica, [node], () => 1_000);
    if (next === undefined) break;
    carryOut(replica, [next]);
    served.push(next.job);
    replica.at += everyMs - 2;
  }
  return served;
}

const countsOf = (ids: readonly JobId[]): ReadonlyMap<JobId, number> =>
  new Map(ids.map((id) => [id, ids.filter((each) => each === id).length]));

test("a higher class gets every query while it has inputs left, then the next one (F8)", (t) => {
  const replica = cluster(1);
  const low = submit(replica, { ...endless, priority: -1 });
  const middle = submit(replica, { totalInputs: 5, batchSize: 1 });
  const high = submit(replica, { totalInputs: 3, batchSize: 1, priority: 7 });
  const wanted = [high, high, high, middle, middle, middle, middle, middle, low, low];
  t.deepEqual(turns(replica, 10), wanted);
});

test("a job of a lower class gets a query for each period that it has waited for each class between (F8)", (t) => {
  const replica = cluster(1);
  const low = submit(replica, { ...endless, priority: -2 });
  const high = submit(replica, endless);
  const everyMs = ageingMs / 10;
  const served = turns(replica, 200, everyMs);
  const at = served.flatMap((id, i) => (id === low ? [i] : []));
  t.true(at.length >= 8, `${at.length} of ${served.length}`);
  for (const [i, turn] of at.entries()) {
    const gap = turn - (at[i - 1] ?? 0);
    t.true(gap >= 20 && gap <= 22, `turn ${turn} came after ${gap} turns of ${everyMs} ms`);
  }
  t.is(served.filter((id) => id === high).length, 200 - at.length);
});

test("nobody starves: whoever has waited for all classes above gets its turn before any of them gets two (F9)", (t) => {
  const classes = fc.uniqueArray(fc.integer({ min: -10, max: 10 }), { minLength: 2, maxLength: 8 });
  const waits = fc.array(fc.integer({ min: 2, max: 3 * ageingMs }), {
    minLength: 1,
    maxLength: 60,
  });
  let old = 0;
  const property = fc.property(classes, waits, (list, pauses) => {
    const replica = cluster(1);
    const ids = list.map((priority) => submit(replica, { ...endless, priority }));
    const highest = Math.max(...list);
    /** Of each job that has waited past its bound: who was served since. */
    const past = new Map<JobId, JobId[]>();
    for (const waitMs of pauses) {
      const [id] = turns(replica, 1, waitMs);
      if (id === undefined) throw new Error("nobody was served");
      past.delete(id);
      for (const [other, since] of past) {
        t.false(since.includes(id), `${id} got two before ${other}`);
        since.push(id);
      }
      for (const other of ids) {
        const { priority = 0, servedAt = 0 } = replica.machine.jobs.get(other) ?? {};
        if (past.has(other) || replica.at - servedAt < (highest - priority + 1) * ageingMs)
          continue;
        past.set(other, []);
        old += 1;
      }
    }
  });
  holds(t, property, 60);
  t.true(old > 0);
});

test("inside a class weights hold, whether it is served first or only now and then (F1)", (t) => {
  const replica = cluster(1);
  const top = submit(replica, endless);
  const one = submit(replica, { ...endless, priority: -1 });
  const three = submit(replica, { ...endless, priority: -1, weight: 3 });
  begun(replica, top, one, three);
  const counts = countsOf(turns(replica, 2_000, ageingMs / 10));
  t.true((counts.get(top) ?? 0) > 1_500);
  const [small = 0, large = 0] = [counts.get(one), counts.get(three)];
  t.true(small > 20 && Math.abs(large - 3 * small) <= 3, `${small} and ${large}`);
});

test("jobs of one class have equal query rates while a job of a lower class ages beside them (P7)", (t) => {
  const replica = cluster(2);
  const nodes = [capacity(1), capacity(2)];
  const cheap = submit(replica, { totalInputs: 1_000_000, priority: 3 });
  const dear = submit(replica, { totalInputs: 1_000_000, priority: 3 });
  const low = submit(replica, { totalInputs: 1_000_000, priority: 2 });
  const costs = new Map([
    [cheap, 50],
    [dear, 500],
    [low, 100],
  ]);
  const done = simulate(replica, costs, { nodes, untilMs: 62_000 });
  for (let from = 1_000; from <= 51_000; from += 5_000) {
    const within = done.filter(({ atMs }) => atMs >= from && atMs < from + 10_000);
    const [a = 0, b = 0] = [cheap, dear].map((id) => within.filter(({ job }) => job === id).length);
    t.true(Math.abs(a - b) <= Math.max(4, 0.05 * Math.max(a, b)), `${a} and ${b}`);
  }
  const aged = done.filter(({ job }) => job === low).length;
  t.true(aged >= 2 && aged <= 4, `${aged} of the lower class`);
});

test("who comes from another class begins where that class is, without credit and without debt", (t) => {
  const replica = cluster(1);
  const high = submit(replica, { ...endless, priority: 1 });
  turns(replica, 40);
  const low = submit(replica, endless);
  t.is(replica.machine.jobs.get(low)?.progress, 0, "its class has no progress yet");
  replica.must({ kind: "set-job", job: low, ...kept, priority: 1 });
  t.is(replica.machine.jobs.get(low)?.progress, replica.machine.jobs.get(high)?.progress);
  const counts = countsOf(turns(replica, 20));
  t.is(counts.get(high), 10);
  t.is(counts.get(low), 10);
});

test("time spent paused does not age a job", (t) => {
  const replica = cluster(1);
  const low = submit(replica, { ...endless, priority: -1 });
  const high = submit(replica, endless);
  t.true(turns(replica, 1).includes(high));
  replica.must({ kind: "steer-job", job: low, to: "paused" });
  replica.at += 5 * ageingMs;
  replica.must({ kind: "steer-job", job: low, to: "running" });
  // The first turn of a job that has had none is another matter (F5); a slot that is free goes by class.
  t.deepEqual(turns(replica, 3), [high, high, high]);
});

test("priorities are whole numbers from -10 to 10, and 0 unless given", (t) => {
  const replica = cluster(1);
  const id = submit(replica);
  t.is(replica.machine.jobs.get(id)?.priority, 0);
  for (const priority of [-11, 11, 0.5]) {
    const { outcome } = replica.apply({ kind: "set-job", job: id, ...kept, priority });
    t.is(outcome.kind === "refused" ? outcome.code : "ok", "INVALID");
  }
  replica.must({ kind: "set-job", job: id, ...kept, priority: -10 });
  t.is(replica.machine.jobs.get(id)?.priority, -10);
  t.is(replica.restarted().machine.jobs.get(id)?.priority, -10);
});

test("a job whose rows were written before there were classes is of class 0 and ages from its start", (t) => {
  const replica = cluster(1);
  const id = submit(replica, endless);
  const row = replica.row(`progress/${id}`) as Record<string, unknown>;
  const { priority: _, servedAt: __, ...before } = row;
  replica.put(`progress/${id}`, before);
  const old = replica.restarted();
  const low = submit(old, { ...endless, priority: -1 });
  t.deepEqual(turns(old, 2), [id, id]);
  t.false(turns(old, 3).includes(low));
});

test("a class is not judged by a job that does not compete any more (F8, F10)", (t) => {
  const now = LogTime(ageingMs);
  const of = (name: string, priority: number, progress: number, servedAt: number): Competitor => ({
    id: JobId(name),
    priority,
    progress,
    servedAt: LogTime(servedAt),
  });
  const standings = new Standings<Competitor>(now);
  // The one kept back has just been served; the next of its class has waited a period.
  for (const job of [of("j1", 1, 5, ageingMs), of("j2", 0, 0, ageingMs), of("j3", 0, 2, 0)])
    standings.push(job);
  const keptBack = ({ id }: Competitor): boolean => id === "j2";
  t.is(standings.pop(keptBack)?.id, JobId("j3"));
  t.is(standings.pop(keptBack)?.id, JobId("j1"));
  t.is(standings.pop(keptBack), undefined);
});
