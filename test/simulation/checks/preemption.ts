/**
 * The invariants of yielding, by their numbers in inference/slots.ts and inference/dispatcher.ts, seen from outside: what the
 * daemon tells the threads of one executor process, what it hears of them, and what they run.
 *
 *  Y1 at most one slot yields, only to the request on the spare thread, which has not finished a micro-batch, and once to each;
 *  Y2 who waits for the spare thread makes none yield;
 *  Y3 no slot yields while it runs a newcomer, or while another slot has nothing to run;
 *  Y4 nothing that a thread holds is lost or begun anew: each input is in the network once, and its answer is the oracle's;
 *  Y5 no newcomer waits while the spare thread is idle; one that finds it so begins within a micro-batch, busy as the slots are;
 *  Y6 a slot stands still for one second at most;
 *  Y7 no time in which a query stands still counts for its time-out;
 *  Y8 what stood still when the process ended is not blamed;
 *  I1 a query's result is that of its pieces, in the order of its inputs (inference/interleaver.ts).
 *
 * What threads hold are the pieces.
 */
import { hasCode } from "../../../src/lib/errors.ts";
import { MAX_YIELD_MS } from "../../../src/inference/dispatcher.ts";
import type { QueryAnswer, ToThread } from "../../../src/inference/protocol.ts";
import type { Ticket } from "../../../src/inference/ticket.ts";
import type { InputOutput, QueryRequest, QueryResult } from "../../../src/inference/types.ts";
import { oracleOf } from "../inference/oracle.ts";
import type { SimulatedProcess } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";

/** Sums of virtual times are not exact, ms. */
const rounding = 0.01;

interface Followed {
  readonly ticket: Ticket;
  /** It is out of its model's hands: threads may have it. */
  isPlaced: boolean;
  isCancelled: boolean;
  /** By the daemon's clock: since when its time-out counts, and for how long not. */
  countsFrom: number | undefined;
  stoodMs: number;
  /** Its thread has it in hand. */
  hasBegun: boolean;
  readonly inferred: Set<number>;
}

interface OpenYield {
  readonly slot: number;
  readonly by: number;
  /** Since when its thread is known to stand. */
  stoodFrom: number | undefined;
}

/** How often it came to it. */
export interface PreemptionCounts {
  /** Newcomers that found every slot busy. */
  newcomers: number;
  /** Of them, those for whom a slot was told to yield. */
  yields: number;
  /** Slots that stood still for one. */
  stands: number;
  /** Slots that stood still when their process ended. */
  lost: number;
}

export interface PreemptionPorts {
  readonly counts: PreemptionCounts;
  readonly time: VirtualTime;
  readonly process: SimulatedProcess;
  /** Whether messages reach a process. */
  readonly isLive: () => boolean;
  /** In which a newcomer begins, true ms. */
  readonly beginsWithinMs: (ticket: Ticket) => number;
}

export class PreemptionChecks {
  readonly #ports: PreemptionPorts;
  readonly #spare: number;
  readonly #queries = new Map<string, Followed>();
  readonly #held: string[][];
  readonly #yieldedTo = new Set<number>();
  readonly #begun = new Set<number>();
  readonly #innocent = new Set<string>();
  /** That may not have begun. */
  readonly #newcomers = new Set<string>();
  #open: OpenYield | undefined;
  #deaths = 0;

  constructor(slots: number, ports: PreemptionPorts) {
    this.#ports = ports;
    this.#spare = slots;
    this.#held = Array.from({ length: slots + 1 }, () => []);
  }

  // --- what the daemon does -----------------------------------------------------------------------------------------

  accepted(ticket: Ticket): void {
    const { id } = ticket.request;
    this.#innocent.delete(id);
    this.#queries.set(id, {
      ticket,
      isPlaced: false,
      isCancelled: false,
      countsFrom: undefined,
      stoodMs: 0,
      hasBegun: false,
      inferred: new Set(),
    });
  }

  cancelled(id: string): void {
    const query = this.#queries.get(id);
    if (query !== undefined) query.isCancelled = true;
  }

  /** @param place hands it to the threads, if one is idle */
  placed({ request, express }: Ticket, place: () => void): void {
    const isRoom = this.#ports.isLive() && this.#held.some(({ length }) => length === 0);
    const query = this.#queries.get(request.id);
    if (query !== undefined) query.isPlaced = true;
    if (express) this.#newcomers.add(request.id);
    place();
    if (express && isRoom && query?.isCancelled === false) this.#mustBegin(query);
  }

  sent(slot: number, message: ToThread): void {
    if (message.kind === "run") this.#given(slot, message.id);
    else if (message.kind === "yield") this.#toldToYield(slot, message.by);
    else if (message.kind === "resume") this.#toldToGoOn(slot, message.by);
  }

  /** The daemon has done what followed from what it heard. */
  settled(): void {
    if (!this.#ports.isLive()) return;
    const { by } = this.#open ?? {};
    const isIdle = this.#held.slice(0, this.#spare).some(({ length }) => length === 0);
    if (by !== undefined && isIdle) this.#fail("Y3: a slot yields beside one that is idle");
    if (by !== undefined && (this.#begun.has(by) || this.#newcomer !== by))
      this.#fail(`Y1: a slot yields to request ${by}, which has had its micro-batch or has ended`);
    if (this.#held[this.#spare]?.length === 0) this.#noneWaits();
  }

  /** It is killed for this query's time-out. */
  killedFor(id: string): void {
    const query = this.#queries.get(id);
    if (query === undefined) return;
    const { countsFrom, stoodMs, ticket } = query;
    if (countsFrom === undefined) return this.#fail(`Y7: ${id}, which no thread runs, times out`);
    const ranMs = this.#ports.process.now() - countsFrom - stoodMs;
    if (ranMs < ticket.request.timeoutMs - rounding)
      this.#fail(`Y7: ${id} times out after ${ranMs} ms of ${ticket.request.timeoutMs}`);
  }

  /** `run()` has failed. */
  rejected(id: string, error: unknown): void {
    this.#queries.delete(id);
    if (this.#innocent.has(id) && hasCode(error, "EXECUTOR_FAILED"))
      this.#fail(`Y8: ${id} stood still when the process ended, and is blamed`);
  }

  /** A query has its result, put together of its pieces'. */
  answered(request: QueryRequest, result: QueryResult): void {
    if (result.kind === "done") this.#checkOutputs("I1", request, result.outputs);
  }

  // --- what the threads do ------------------------------------------------------------------------------------------

  /** The daemon hears of a query. */
  heard(slot: number, answer: QueryAnswer): void {
    const { id } = answer;
    const query = this.#queries.get(id);
    if (answer.kind === "progress") {
      if (query !== undefined) this.#begun.add(query.ticket.order);
      return;
    }
    const held = this.#held[slot] ?? [];
    const at = held.indexOf(id);
    if (at >= 0) held.splice(at, 1);
    if (query !== undefined) query.countsFrom = undefined;
    this.#count(slot);
    if (answer.kind === "recalled" || query === undefined) return;
    if (answer.kind === "done") this.#checkOutputs("Y4", query.ticket.request, answer.outputs);
    this.#queries.delete(id);
  }

  heardYielded(slot: number, by: number): void {
    if (this.#open?.slot !== slot || this.#open.by !== by) return;
    if (this.#open.stoodFrom === undefined) this.#ports.counts.stands += 1;
    this.#open.stoodFrom ??= this.#ports.process.now();
  }

  /** A thread takes a query's first input. */
  begins(id: string): void {
    const query = this.#queries.get(id);
    if (query !== undefined) query.hasBegun = true;
  }

  /** Inputs go into the network. */
  infers(slot: number, id: string, inputs: readonly number[]): void {
    const { inferred } = this.#queries.get(id) ?? {};
    for (const input of inputs) {
      if (inferred?.has(input) === true)
        this.#fail(`Y4: input ${input} of ${id} is in the network again, in slot ${slot}`);
      inferred?.add(input);
    }
  }

  /** The process is gone, and so is all that its threads held. @param tell tells the daemon */
  died(tell: () => void): void {
    this.#deaths += 1;
    const { slot, stoodFrom } = this.#open ?? {};
    if (slot !== undefined && stoodFrom !== undefined) {
      this.#ports.counts.lost += 1;
      for (const id of (this.#held[slot] ?? []).slice(0, 1)) this.#innocent.add(id);
    }
    for (const held of this.#held) held.length = 0;
    for (const query of this.#queries.values()) {
      query.countsFrom = undefined;
      query.hasBegun = false;
      query.inferred.clear();
    }
    for (const [id, { ticket, isPlaced }] of this.#queries)
      if (ticket.express && isPlaced) this.#newcomers.add(id);
    this.#open = undefined;
    this.#yieldedTo.clear();
    this.#begun.clear();
    tell();
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** The order of the request on the spare thread. */
  get #newcomer(): number | undefined {
    return this.#queries.get(this.#held[this.#spare]?.[0] ?? "")?.ticket.order;
  }

  #given(slot: number, id: string): void {
    const query = this.#queries.get(id);
    const held = this.#held[slot];
    if (query === undefined || held === undefined) return;
    this.#innocent.delete(id);
    if (this.#held.some((each) => each.includes(id))) this.#fail(`Y4: ${id} is given out twice`);
    if (slot === this.#spare && (held.length > 0 || !query.ticket.express))
      this.#fail(`Y2: ${id} is given to the spare thread, which has ${held.join()}`);
    if (slot === this.#spare) this.#ports.counts.newcomers += 1;
    held.push(id);
    this.#count(slot);
  }

  /** The first of a slot is what its thread runs. */
  #count(slot: number): void {
    const query = this.#queries.get(this.#held[slot]?.[0] ?? "");
    if (query === undefined || query.countsFrom !== undefined) return;
    query.countsFrom = this.#ports.process.now();
    query.stoodMs = 0;
    const isStill = this.#open?.slot === slot && this.#open.stoodFrom !== undefined;
    if (isStill && this.#open !== undefined) this.#open.stoodFrom = query.countsFrom;
  }

  #toldToYield(slot: number, by: number): void {
    if (this.#open !== undefined)
      this.#fail(`Y1: slot ${slot} is to yield while slot ${this.#open.slot} does`);
    if (this.#newcomer !== by || this.#begun.has(by))
      this.#fail(`Y1: slot ${slot} is to yield to request ${by}, no newcomer of the spare thread`);
    if (this.#yieldedTo.has(by)) this.#fail(`Y1: a second slot is to yield to request ${by}`);
    const running = this.#queries.get(this.#held[slot]?.[0] ?? "");
    if (slot === this.#spare || running === undefined || running.ticket.express)
      this.#fail(`Y3: slot ${slot} is to yield, which runs a newcomer or nothing`);
    this.#yieldedTo.add(by);
    this.#ports.counts.yields += 1;
    const open: OpenYield = { slot, by, stoodFrom: undefined };
    this.#open = open;
    const { process } = this.#ports;
    const look = (): void => {
      if (this.#open === open && this.#ports.isLive())
        this.#fail(`Y6: slot ${slot} yields to request ${by} for longer than ${MAX_YIELD_MS} ms`);
    };
    // When the clock jumps the daemon's patience ends in the same moment.
    process.after(MAX_YIELD_MS + 1, () => process.soon(look));
  }

  #toldToGoOn(slot: number, by: number): void {
    const open = this.#open;
    if (open?.slot !== slot || open.by !== by)
      return this.#fail(`Y1: slot ${slot} goes on, which does not yield to request ${by}`);
    this.#open = undefined;
    const running = this.#queries.get(this.#held[slot]?.[0] ?? "");
    if (open.stoodFrom !== undefined && running !== undefined)
      running.stoodMs += this.#ports.process.now() - open.stoodFrom;
  }

  /** Y5, when the spare thread is idle. */
  #noneWaits(): void {
    for (const id of this.#newcomers) {
      const query = this.#queries.get(id);
      if (query === undefined || query.isCancelled || this.#held.some(([first]) => first === id))
        this.#newcomers.delete(id);
      else if (query.isPlaced) this.#fail(`Y5: ${id} waits, and the spare thread is idle`);
    }
  }

  /** Y5: its thread has it, and it is in the network soon. */
  #mustBegin(query: Followed): void {
    const { ticket } = query;
    const { id } = ticket.request;
    const { time, process, beginsWithinMs, isLive } = this.#ports;
    if (!this.#held.some(([first]) => first === id))
      this.#fail(`Y5: ${id} waits beside an idle thread`);
    const deaths = this.#deaths;
    const withinMs = beginsWithinMs(ticket);
    time.after(withinMs, () => {
      const isOver = query.hasBegun || query.isCancelled || this.#queries.get(id) !== query;
      if (!isOver && process.isAlive && isLive() && this.#deaths === deaths)
        this.#fail(`Y5: ${id} has not begun after ${withinMs} ms`);
    });
  }

  /** Y4, I1. */
  #checkOutputs(rule: string, request: QueryRequest, outputs: readonly InputOutput[]): void {
    const { id, inputs, model } = request;
    if (outputs.length !== inputs.length)
      return this.#fail(`${rule}: ${id} has ${outputs.length} of ${inputs.length} outputs`);
    for (const [i, input] of inputs.entries()) {
      const expected = oracleOf(model.sha256, input);
      const output = outputs[i];
      const said =
        output?.kind === "classes"
          ? output.top.flat()
          : output?.kind === "error"
            ? output.code
            : output?.kind;
      if (String(said) !== String(expected))
        this.#fail(
          `${rule}: input ${i} of ${id} has the output ${String(said)}, not ${String(expected)}`,
        );
    }
  }

  #fail(text: string): void {
    this.#ports.time.fail(new Error(text));
  }
}
