/** Hand-out to threads that say what a test has them say. Y1 to Y8 are numbered in slots.ts and dispatcher.ts. */
import test from "ava";
import { systemClock } from "../../src/inference/clock.ts";
import { Dispatcher } from "../../src/inference/dispatcher.ts";
import { Interleaver } from "../../src/inference/interleaver.ts";
import type { ToThread } from "../../src/inference/protocol.ts";
import { SharedQuery } from "../../src/inference/shared-query.ts";
import { Ticket } from "../../src/inference/ticket.ts";
import { placed, plan, queryOf } from "./interleaved-node.ts";

/** Slots and a spare thread; jobs take turns. */
class Node {
  readonly sent: { readonly slot: number; readonly message: ToThread }[] = [];
  readonly dispatcher: Dispatcher;
  readonly #interleaver: Interleaver;
  #order = 0;

  constructor(slots = 1) {
    this.dispatcher = new Dispatcher(
      { slots, hasSpare: true },
      {
        clock: systemClock,
        live: () => ({
          send: (slot, message) => void this.sent.push({ slot, message }),
          kill: () => undefined,
        }),
        onIdle: () => undefined,
      },
    );
    this.#interleaver = new Interleaver(slots, {
      clock: systemClock,
      run: async (request) => {
        const ticket = new Ticket({ request, plan }, { order: this.#order }, systemClock);
        this.#order += 1;
        this.dispatcher.place(ticket);
        return ticket.answer;
      },
      cancel: (id) => this.dispatcher.cancel(id),
      onEmpty: () => undefined,
    });
  }

  submit(id: string, count: number, express = false): void {
    const request = { ...queryOf(id, count), express };
    void placed(this.#interleaver, new SharedQuery(request, { clock: systemClock }));
  }

  /** A slot's thread has run it. */
  done(id: string, slot = 0): void {
    const timings = { decodeMs: 0, inferMs: 1_000, totalMs: 1_000 };
    const outputs = [{ kind: "row" as const }];
    this.dispatcher.onAnswer(slot, { kind: "done", id, outputs, timings });
  }

  get kinds(): readonly string[] {
    return this.sent.map(({ message }) => message.kind);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a slot whose next piece comes with the answers is not idle: it goes on yielding (Y3)", async (t) => {
  const node = new Node();
  node.submit("old/0/1", 9);
  node.submit("new/0/1", 1, true);
  t.deepEqual(node.kinds, ["run", "run", "run", "yield"]);
  // A daemon that was busy hears of both at once.
  node.done("old/0/1#0");
  node.done("old/0/1#1");
  await turn();
  t.deepEqual(node.kinds, ["run", "run", "run", "yield", "run"]);
  t.is(node.sent.at(-1)?.slot, 0);
});

test("a slot that nothing comes to is idle, and yields no more (Y3)", async (t) => {
  const node = new Node();
  node.submit("old/0/1", 2);
  node.submit("new/0/1", 1, true);
  node.done("old/0/1#0");
  node.done("old/0/1#1");
  await turn();
  t.deepEqual(node.kinds, ["run", "run", "run", "yield", "resume"]);
});

test("nor is the one that the second of the next pieces goes to (Y3)", async (t) => {
  const node = new Node(2);
  node.submit("old/0/1", 9);
  node.submit("new/0/1", 1, true);
  const before = node.sent.splice(0).map(({ slot, message }) => `${slot} ${message.kind}`);
  t.deepEqual(before, ["0 run", "1 run", "0 run", "1 run", "2 run", "0 yield"]);
  for (const [piece, slot] of [0, 1, 0, 1].entries()) node.done(`old/0/1#${piece}`, slot);
  await turn();
  t.deepEqual(new Set(node.kinds), new Set(["run"]));
  t.deepEqual(new Set(node.sent.map(({ slot }) => slot)), new Set([0, 1]));
});

test("a thread is told once that a query is cancelled: it may be stuck", (t) => {
  const node = new Node();
  node.submit("old/0/1", 1);
  node.sent.length = 0;
  for (let n = 0; n < 3; n += 1) node.dispatcher.cancel("old/0/1#0");
  t.deepEqual(node.kinds, ["recall", "cancel"]);
});
