/** Hand-out to threads that say what a test has them say. Y1 to Y8 are numbered in slots.ts and dispatcher.ts. */
import test from "ava";
import { systemClock } from "../../src/inference/clock.ts";
import { Dispatcher } from "../../src/inference/dispatcher.ts";
import { Interleaver } from "../../src/inference/interleaver.ts";
import type { ModelPlan, ToThread } from "../../src/inference/protocol.ts";
import { SharedQuery } from "../../src/inference/shared-query.ts";
import { Ticket } from "../../src/inference/ticket.ts";
import type { InputFile, LocalModel } from "../../src/inference/types.ts";

const model = { sha256: "m", path: "/m", manifest: {} } as unknown as LocalModel;
const plan = { key: 0 } as unknown as ModelPlan;

/** One slot and a spare thread; jobs take turns. */
class Node {
  readonly sent: { readonly slot: number; readonly message: ToThread }[] = [];
  readonly dispatcher: Dispatcher;
  readonly #interleaver: Interleaver;
  #order = 0;

  constructor() {
    this.dispatcher = new Dispatcher(
      { slots: 1, hasSpare: true },
      {
        clock: systemClock,
        live: () => ({
          send: (slot, message) => void this.sent.push({ slot, message }),
          kill: () => undefined,
        }),
        onIdle: () => undefined,
      },
    );
    this.#interleaver = new Interleaver(1, {
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
    const inputs = Array.from({ length: count }, (): InputFile => ({ parts: [], bytes: 0 }));
    const query = new SharedQuery(
      { id, model, inputs, timeoutMs: 60_000, express },
      { clock: systemClock },
    );
    this.#interleaver.accept(query);
    this.#interleaver.place(query, plan);
  }

  /** The slot's thread has run what it was given first of what it has not answered. */
  done(id: string): void {
    const timings = { decodeMs: 0, inferMs: 1_000, totalMs: 1_000 };
    const outputs = [{ kind: "row" as const }];
    this.dispatcher.onAnswer(0, { kind: "done", id, outputs, timings });
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
