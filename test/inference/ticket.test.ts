/** How long a query is said to have waited, on a clock that a test sets. */
import test from "ava";
import { type Clock, systemClock } from "../../src/inference/clock.ts";
import { Ticket } from "../../src/inference/ticket.ts";
import { plan, queryOf } from "./interleaved-node.ts";

/** A ticket asked for at 1,000 ms. */
class Asked {
  nowMs = 1_000;
  readonly #clock: Clock = { ...systemClock, now: () => this.nowMs };
  readonly ticket = new Ticket({ request: queryOf("1/0/0", 8), plan }, { order: 0 }, this.#clock);

  /** A thread has begun it, as far as the daemon was told. */
  begin(): void {
    this.ticket.start(() => undefined);
  }
}

test("a query has waited from the call until its thread began it", (t) => {
  const asked = new Asked();
  asked.nowMs += 30;
  asked.begin();
  t.teardown(() => asked.ticket.stop());
  asked.nowMs += 20;
  t.is(asked.ticket.waitMs(20), 30);
});

test("an answer that came later than its run ended does not make the query begin later", (t) => {
  const asked = new Asked();
  asked.nowMs += 30;
  asked.begin();
  t.teardown(() => asked.ticket.stop());
  asked.nowMs += 500;
  t.is(asked.ticket.waitMs(20), 30);
});

test("where answers come together, a query whose begin was seen only with the answer before it began when it must have", (t) => {
  const asked = new Asked();
  asked.nowMs += 50;
  asked.begin();
  t.teardown(() => asked.ticket.stop());
  asked.nowMs += 1;
  t.is(asked.ticket.waitMs(20), 31, "51 ms after the call it had run for 20");
});

test("a query that no thread is known to have begun has waited what its run leaves, and never less than nothing", (t) => {
  const asked = new Asked();
  asked.nowMs += 50;
  t.is(asked.ticket.waitMs(20), 30);
  t.is(asked.ticket.waitMs(60), 0);
});
