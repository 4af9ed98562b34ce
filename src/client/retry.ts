/**
 * Asks one node after another until one answers or the time is over. Safe for mutations because each try carries the
 * same idempotency key; what differs by outcome is only the error in the end, which must not promise too much.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { hasCode, IDunnoError } from "../lib/errors.ts";
import type { Deadline } from "./deadline.ts";
import type { NodeRing } from "./node-ring.ts";

/** Pauses between tries: short enough not to add to a fail-over of 150 ms, growing so as not to press a cluster in trouble. */
const backoffMs = { first: 20, last: 250 } as const;

/** One silent node may take this share of the time, once, before the others are tried. */
const silentShare = 1 / 3;

/** A node that gave no answer: nothing listens there, the connection broke, or it stayed silent. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
  readonly kind: "refused" | "dropped" | "silent";

  constructor(kind: "refused" | "dropped" | "silent", options?: ErrorOptions) {
    super(kind, options);
    this.kind = kind;
  }
}

/** An answer that says "not here" or "not now": another node, or the same one later, may do it. */
export class TryElsewhere extends Error {
  override readonly name = "TryElsewhere";
  readonly answer: IDunnoError;

  constructor(answer: IDunnoError) {
    super(answer.message, { cause: answer });
    this.answer = answer;
  }
}

export interface RetryOptions {
  readonly ring: NodeRing;
  readonly deadline: Deadline;
  /** What is asked, for the error: `PUT /v1/files/a.jpg`. */
  readonly what: string;
  /** Whether it may have been carried out when no answer came. */
  readonly mutates: boolean;
  /** Gives up when every node has refused the connection for so long: nobody is there. */
  readonly patienceMs: number;
  /** Whether a silent node is left before the time is over; not for uploads, which would begin again. */
  readonly leaveSilent: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * @param attempt asks one node; throws {@link Unanswered} or {@link TryElsewhere} to have another tried, else finally
 * @throws UNREACHABLE every try was refused or broken off; NO_LEADER they said so to the end; TIMED_OUT otherwise
 */
export async function untilAnswered<T>(
  options: RetryOptions,
  attempt: (node: string, withinMs: number) => Promise<T>,
): Promise<T> {
  const { ring, deadline, signal } = options;
  const failures: (Unanswered | TryElsewhere)[] = [];
  let pauseMs: number = backoffMs.first;
  let passOver = options.leaveSilent;
  for (let tries = 1; ; tries += 1) {
    signal?.throwIfAborted();
    const node = ring.current;
    const shareMs =
      passOver && ring.nodes.length > 1 ? deadline.timeoutMs * silentShare : deadline.remainingMs;
    try {
      return await attempt(node, Math.min(shareMs, deadline.remainingMs));
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Unanswered || error instanceof TryElsewhere)) throw error;
      failures.push(error);
      if (error instanceof Unanswered && error.kind === "silent") passOver = false;
    }
    ring.leave(node);
    const nobodyThere =
      deadline.elapsedMs >= options.patienceMs &&
      failures.every((failure) => failure instanceof Unanswered && failure.kind === "refused");
    if (nobodyThere || deadline.remainingMs <= 0) throw verdict(options, failures);
    // Every node gets its try before anybody waits.
    if (tries % ring.nodes.length !== 0) continue;
    await sleep(
      Math.min(pauseMs, Math.max(0, deadline.remainingMs)),
      undefined,
      signal === undefined ? {} : { signal },
    ).catch(() => signal?.throwIfAborted());
    pauseMs = Math.min(backoffMs.last, pauseMs * 2);
  }
}

function verdict(
  { ring, deadline, what, mutates }: RetryOptions,
  failures: readonly (Unanswered | TryElsewhere)[],
): IDunnoError {
  const cause = failures.at(-1);
  const answers = failures.flatMap((failure) =>
    failure instanceof TryElsewhere ? [failure.answer] : [],
  );
  const last = answers.at(-1);
  if (last === undefined) {
    // Somebody may be there who had too little time, or has carried a mutation out and could not say so.
    const isOver = failures.some(
      (failure) =>
        failure instanceof Unanswered &&
        (failure.kind === "silent" || (mutates && failure.kind === "dropped")),
    );
    if (!isOver) return new IDunnoError("UNREACHABLE", { nodes: ring.nodes }, { cause });
  } else if (hasCode(last, "NO_LEADER") || hasCode(last, "NOT_LEADER")) {
    return new IDunnoError("NO_LEADER", { waitedMs: deadline.elapsedMs }, { cause });
  } else if (!hasCode(last, "CLOSED")) {
    // Says more than "timed out": which queue is full, how many copies are missing.
    return last;
  }
  return new IDunnoError("TIMED_OUT", { what, afterMs: deadline.elapsedMs }, { cause });
}
