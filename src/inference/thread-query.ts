/**
 * A query inside a thread: its inputs are read and decoded some way ahead of the network, in order.
 * Decoding runs on libuv's pool, so it goes on while the network blocks the thread; and since the next
 * query's first inputs are decoded during the last of this one, it overlaps between queries too.
 */
import type { ChunkHash } from "../lib/types.ts";
import type { Feeder, Prepared } from "./feeder.ts";
import { MAX_IMAGE_BYTES } from "./image.ts";
import { readInput } from "./input-file.ts";
import { text } from "./onnx.ts";
import type { ToThread } from "./protocol.ts";
import type { InputFile, TensorsTo } from "./types.ts";

export type ReadyInput =
  | Prepared
  | { readonly kind: "damaged"; readonly hash: ChunkHash; readonly why: string }
  /** The machine's fault, not the input's. */
  | { readonly kind: "failed"; readonly why: string };

export class ThreadQuery {
  readonly id: string;
  readonly model: number;
  readonly inputs: readonly InputFile[];
  /** Where its arrays go, if the model gives arrays. */
  readonly tensorsTo: TensorsTo | undefined;
  /** Set by a cancel; seen between micro-batches. */
  cancelled = false;
  readonly #feeder: Pick<Feeder, "prepare">;
  readonly #ready: Promise<ReadyInput>[] = [];
  #taken = 0;

  constructor(
    {
      id,
      model,
      inputs,
      tensorsTo,
    }: Pick<Extract<ToThread, { readonly kind: "run" }>, "id" | "model" | "inputs" | "tensorsTo">,
    feeder: Pick<Feeder, "prepare">,
  ) {
    this.id = id;
    this.model = model;
    this.inputs = inputs;
    this.tensorsTo = tensorsTo;
    this.#feeder = feeder;
  }

  /** Inputs decoded or being decoded that nobody has taken yet. */
  get ahead(): number {
    return this.#ready.length - this.#taken;
  }

  /** Starts on the next input; undefined when there is none. */
  decodeNext(): Promise<ReadyInput> | undefined {
    const input = this.inputs[this.#ready.length];
    if (input === undefined) return undefined;
    const begun = prepare(input, this.#feeder);
    this.#ready.push(begun);
    return begun;
  }

  /** The next input in order, or undefined after the last. {@link decodeNext} must have been called for it. */
  async take(): Promise<ReadyInput | undefined> {
    const ready = this.#ready[this.#taken];
    if (ready !== undefined) this.#taken += 1;
    return ready;
  }
}

/**
 * Inputs whose decoding begins together: as many as keep libuv's pool busy for about so long, since a newcomer's first ones
 * wait behind them.
 */
const BURST_MS = 80;
/** While nothing is known of what decoding takes. */
const FIRST_BURST = 8;
/** More gained nothing more. */
const MAX_BURST = 24;

/**
 * How many inputs begin to be decoded together, learnt from the burst before. Bursts leave the network alone in between: a bare
 * loop of MobileNet V2 with a thread per core made some 4 % more images per second with bursts of eight than with one image
 * begun at each run, and some 2 % more with 24 than with eight.
 */
export class Burst {
  #size = FIRST_BURST;
  readonly #now: () => number;

  /** @param now milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#size;
  }

  /** These have begun together; none of them rejects. */
  async begun(inputs: readonly Promise<unknown>[]): Promise<void> {
    if (inputs.length === 0) return;
    const from = this.#now();
    await Promise.all(inputs);
    const eachMs = (this.#now() - from) / inputs.length;
    this.#size = Math.max(1, Math.min(MAX_BURST, Math.floor(BURST_MS / Math.max(eachMs, 0.001))));
  }
}

/** How far ahead of the network inputs are decoded. */
export interface ReadAhead {
  /** With fewer than so many ahead, more are begun. */
  readonly low: number;
  /** Then so many: at least `low`. */
  readonly high: number;
}

/** For runs of `size` inputs: those of the next one are ready, or nearly so, when this one is done. */
export function readAheadOf(size: number, burst: Pick<Burst, "size">): ReadAhead {
  return { low: size + 1, high: size + 1 + burst.size };
}

/**
 * Keeps at least `low` inputs ahead of the network, over the queries in their order. Decoding begins in bursts, of what is
 * missing to `high`.
 * @returns those that begin now
 */
export function decodeAhead(
  queries: readonly ThreadQuery[],
  { low, high }: ReadAhead,
): readonly Promise<ReadyInput>[] {
  const begun: Promise<ReadyInput>[] = [];
  let ahead = queries.reduce((sum, query) => sum + query.ahead, 0);
  if (ahead >= low) return begun;
  for (const query of queries)
    while (ahead < high && !query.cancelled) {
      const next = query.decodeNext();
      if (next === undefined) break;
      begun.push(next);
      ahead += 1;
    }
  return begun;
}

/** Never rejects: what goes wrong is a value, since it may be awaited much later. */
async function prepare(input: InputFile, feeder: Pick<Feeder, "prepare">): Promise<ReadyInput> {
  if (input.parts.reduce((sum, part) => sum + part.bytes, 0) > MAX_IMAGE_BYTES)
    return { kind: "error", code: "too_large" };
  const read = readInput(input);
  if (read.kind === "damaged") return read;
  try {
    return await feeder.prepare(read.bytes);
  } catch (error) {
    return { kind: "failed", why: `decoding failed: ${text(error)}` };
  }
}
