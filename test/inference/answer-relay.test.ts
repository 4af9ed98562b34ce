/** A1 to A3 are numbered in src/inference/answer-relay.ts. */
import test from "ava";
import fc from "fast-check";
import { ANSWER_WAIT_MS, AnswerRelay, REFILL_AT } from "../../src/inference/answer-relay.ts";
import type { FromThread, ToThread, Upward } from "../../src/inference/protocol.ts";
import { holds } from "../lib/property.ts";

/** A relay, its clock, and what it has sent. */
class Stage {
  readonly sent: (readonly Upward[])[] = [];
  readonly relay: AnswerRelay;
  readonly #timers = new Set<() => void>();

  constructor(threads: number) {
    this.relay = new AnswerRelay(threads, {
      clock: {
        after: (ms, run) => {
          if (ms !== ANSWER_WAIT_MS) throw new Error(`a timer of ${ms} ms`);
          this.#timers.add(run);
          return { cancel: () => this.#timers.delete(run) };
        },
      },
      send: (together) => void this.sent.push(together),
    });
  }

  get isWaiting(): boolean {
    return this.#timers.size > 0;
  }

  /** The time is up of whatever waits. */
  pass(): void {
    for (const run of this.#timers) run();
  }

  give(slot: number, ids: readonly string[], brief = true): void {
    for (const id of ids) this.relay.given(slot, run(id, brief));
  }
}

const run = (id: string, brief: boolean): ToThread => ({
  kind: "run",
  id,
  model: 0,
  inputs: [],
  brief,
});
const done = (id: string): FromThread => ({
  kind: "done",
  id,
  outputs: [],
  timings: { decodeMs: 0, inferMs: 1, totalMs: 1 },
});
const idsOf = (together: readonly Upward[]): string[] =>
  together.map(({ message }) => ("id" in message ? message.id : message.kind));

test("results of brief queries come together, while their thread has enough to run (A2)", (t) => {
  const stage = new Stage(1);
  stage.give(0, ["a", "b", "c", "d", "e"]);
  for (const id of ["a", "b"]) stage.relay.said(0, done(id));
  t.deepEqual(stage.sent, []);
  stage.relay.said(0, done("c"));
  t.deepEqual(stage.sent.map(idsOf), [["a", "b", "c"]], `${REFILL_AT} are left`);
  t.false(stage.isWaiting);
  stage.relay.said(0, done("d"));
  t.deepEqual(stage.sent.map(idsOf), [["a", "b", "c"], ["d"]]);
});

test("one whose successor takes long is told when its time is up (A2)", (t) => {
  const stage = new Stage(2);
  stage.give(0, ["a", "b", "c", "d"]);
  stage.relay.said(0, done("a"));
  t.true(stage.isWaiting);
  stage.pass();
  t.deepEqual(stage.sent.map(idsOf), [["a"]]);
  t.false(stage.isWaiting);
});

test("all but results of brief queries goes at once, and what waits with it (A3)", (t) => {
  const urgent: FromThread[] = [
    { kind: "progress", id: "b", inputsDone: 1 },
    { kind: "failed", id: "b", why: "why" },
    { kind: "recalled", id: "d" },
    { kind: "yielded", by: 7 },
    done("long"),
  ];
  for (const message of urgent) {
    const stage = new Stage(2);
    stage.give(0, ["a", "b", "c", "d"]);
    stage.give(1, ["long"], false);
    stage.give(1, ["x", "y", "z"]);
    stage.relay.said(0, done("a"));
    stage.relay.said("id" in message && message.id === "long" ? 1 : 0, message);
    t.is(stage.sent.length, 1, message.kind);
    t.deepEqual(
      stage.sent[0]?.map((each) => each.message),
      [done("a"), message],
    );
    t.false(stage.isWaiting);
  }
});

test("each is told once, in order, whatever is given and said when (A1)", (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("give" as const), slot: fc.nat(1), brief: fc.boolean() }),
    fc.record({ kind: fc.constant("end" as const), slot: fc.nat(1) }),
    fc.record({ kind: fc.constant("pass" as const) }),
  );
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const stage = new Stage(2);
    const held: string[][] = [[], []];
    const said: string[] = [];
    for (const [i, each] of steps.entries()) {
      if (each.kind === "pass") stage.pass();
      else if (each.kind === "give") {
        stage.give(each.slot, [`q${i}`], each.brief);
        held[each.slot]?.push(`q${i}`);
      } else {
        const id = held[each.slot]?.shift();
        if (id === undefined) continue;
        said.push(id);
        stage.relay.said(each.slot, done(id));
        // A thread that has nothing left has told all.
        if (held[each.slot]?.length === 0) t.deepEqual(stage.sent.flat().length, said.length);
      }
    }
    stage.pass();
    t.deepEqual(idsOf(stage.sent.flat()), said);
  });
  holds(t, property);
});
