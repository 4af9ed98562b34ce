/**
 * The one error type. A code is public and stable (docs/errors.md); what it carries is typed by the
 * code; the sentence says what happened, to what, and what to do next. The same codes travel over HTTP
 * and between nodes, so a failure on another machine reads like one here.
 */

/** What each error code carries. Add a code here and the compiler finds every place that must know it. */
export interface ErrorDetails {
  /** Bytes or a body that are not what the format says. */
  MALFORMED: { readonly path: string; readonly expected: string };
  /** A command line or an option that makes no sense. */
  USAGE: { readonly message: string };
  /** A request that cannot be carried out as asked, whatever the state. */
  INVALID: { readonly what: string; readonly why: string; readonly remedy: string };
  NOT_LEADER: { readonly leader: string | undefined };
  /** Nobody can take a decision now; a later try may succeed. */
  NO_LEADER: { readonly waitedMs: number };
  /** None of the given nodes answered. */
  UNREACHABLE: { readonly nodes: readonly string[] };
  TIMED_OUT: { readonly what: string; readonly afterMs: number };
  CLOSED: { readonly what: string };
  /** A queue or a body reached its limit: of bytes, where no `unit` is named. */
  TOO_LARGE: {
    readonly what: string;
    readonly size: number;
    readonly limit: number;
    readonly unit?: string;
    readonly remedy?: string;
  };
  BUSY: { readonly what: string; readonly limit: number };
  NOT_FOUND: { readonly kind: string; readonly name: string; readonly remedy: string };
  CONFLICT: { readonly what: string; readonly why: string };
  KEY_EXPIRED: { readonly key: string };
  KEY_REUSED: { readonly key: string };
  /** A put or submit rests on something collected meanwhile: resolve or upload again. */
  STALE_CATALOG: { readonly index: number; readonly floor: number };
  /** Too few nodes can take copies at this moment. */
  TOO_FEW_COPIES: { readonly path: string; readonly have: number; readonly need: number };
  /** No replica could deliver a chunk that hashes to its name. */
  CHUNK_UNAVAILABLE: { readonly hash: string; readonly tried: readonly string[] };
  /** A model that onnxruntime cannot load or that does not do what its manifest says. */
  BAD_MODEL: { readonly model: string; readonly why: string };
  DIRECTORY_IN_USE: { readonly directory: string };
  PORT_IN_USE: { readonly address: string };
  /** A data directory that belongs to another cluster, node, generation or format. */
  WRONG_DIRECTORY: { readonly directory: string; readonly why: string };
  /** Stored bytes are damaged and this node cannot heal by itself. */
  CORRUPT: { readonly file: string; readonly at: string; readonly remedy: string };
  /** A peer's handshake does not fit: another cluster, generation, incarnation or protocol. */
  HANDSHAKE_REFUSED: { readonly peer: string; readonly why: string };
  /** The disk refused a write that must not be lost. The process ends. */
  STORAGE_FAILED: { readonly what: string };
  /** The disk of the node that leads has no room and no other one could take over; or too few disks have room for a put. */
  NO_SPACE: { readonly node: string };
  /** More would lie under a prefix than its quota allows; `unit`: bytes or files. */
  QUOTA_EXCEEDED: {
    readonly prefix: string;
    readonly unit: string;
    readonly wanted: number;
    readonly limit: number;
  };
  /** `during`: a query ended the process, a query ran out of time, or the process could not be had at all. */
  EXECUTOR_FAILED: { readonly why: string; readonly during: "query" | "timeout" | "start" };
  JOB_FAILED: { readonly job: string; readonly why: string };
  INTERNAL: { readonly message: string };
}

export type ErrorCode = keyof ErrorDetails;

const describe: { readonly [C in ErrorCode]: (details: ErrorDetails[C]) => string } = {
  MALFORMED: ({ path, expected }) => `${path}: expected ${expected}`,
  USAGE: ({ message }) => message,
  INVALID: ({ what, why, remedy }) => `${what}: ${why}; ${remedy}`,
  NOT_LEADER: ({ leader }) => `this node is not the leader; ${leader ?? "no leader is known"}`,
  NO_LEADER: ({ waitedMs }) =>
    `no leader could be reached for ${waitedMs} ms: a majority of the voters must be up; see 'idunno status --stale', then try again`,
  UNREACHABLE: ({ nodes }) =>
    `no node answered at ${nodes.join(", ")}: check that the daemon runs there, or name others with --node`,
  TIMED_OUT: ({ what, afterMs }) =>
    `${what} did not end within ${afterMs} ms; it may still happen: try again, or allow more with --timeout`,
  CLOSED: ({ what }) => `${what} is closed`,
  TOO_LARGE: ({ what, size, limit, unit = "bytes", remedy }) =>
    `${what} has ${size} ${unit}; the limit is ${limit}${remedy === undefined ? "" : `: ${remedy}`}`,
  BUSY: ({ what, limit }) => `${what} is full (${limit}); try again`,
  NOT_FOUND: ({ kind, name, remedy }) => `no ${kind} ${name}; ${remedy}`,
  CONFLICT: ({ what, why }) => `${what}: ${why}`,
  KEY_EXPIRED: ({ key }) =>
    `the idempotency key ${key} is too old to tell whether its request was carried out: look, then ask anew with a new key`,
  KEY_REUSED: ({ key }) =>
    `the idempotency key ${key} was used for another request: take a new key for each request`,
  STALE_CATALOG: ({ index, floor }) =>
    `what was resolved at catalog index ${index} may have been collected since (floor ${floor}): resolve it again`,
  TOO_FEW_COPIES: ({ path, have, need }) =>
    `${path}: ${have} of ${need} required copies could be made durable: wait until more nodes are up, then try again`,
  CHUNK_UNAVAILABLE: ({ hash, tried }) =>
    `chunk ${hash} could not be read from ${tried.length === 0 ? "any replica" : tried.join(", ")}: bring back a node that holds it`,
  BAD_MODEL: ({ model, why }) => `model ${model} cannot be used: ${why}`,
  DIRECTORY_IN_USE: ({ directory }) =>
    `${directory} is in use by another running node: stop that one, or give --data-dir another directory`,
  PORT_IN_USE: ({ address }) =>
    `${address} is taken by another process: choose another port with --listen or --http`,
  WRONG_DIRECTORY: ({ directory, why }) => `${directory}: ${why}`,
  CORRUPT: ({ file, at, remedy }) => `${file} is damaged at ${at}; ${remedy}`,
  HANDSHAKE_REFUSED: ({ peer, why }) => `${peer} refused the connection: ${why}`,
  STORAGE_FAILED: ({ what }) =>
    `the disk failed at ${what}: this node stops, since it cannot keep its promises`,
  NO_SPACE: ({ node }) =>
    `the disk of ${node} is full: free some room there; writes go on as soon as there is`,
  QUOTA_EXCEEDED: ({ prefix, unit, wanted, limit }) =>
    `${prefix === "" ? "the store" : prefix} would have ${wanted} ${unit}; its quota is ${limit}: remove some files, or see 'idunno sdfs quota ls'`,
  EXECUTOR_FAILED: ({ why }) => `the inference executor failed: ${why}`,
  JOB_FAILED: ({ job, why }) => `job ${job} failed: ${why}`,
  INTERNAL: ({ message }) => `internal error: ${message}; see the daemon's log`,
};

/** A failure IDunno reports on purpose. `code` is stable; `message` is for people. */
export class IDunnoError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "IDunnoError";
  readonly code: Code;
  readonly details: ErrorDetails[Code];

  constructor(code: Code, details: ErrorDetails[Code], options?: ErrorOptions) {
    super(describe[code](details), options);
    this.code = code;
    this.details = details;
  }

  /** The form in which an error crosses a connection; {@link fromWire} is its inverse. */
  toWire(): WireError {
    return { code: this.code, details: this.details };
  }
}

/** An error on the wire: the code and what it carries. */
export interface WireError {
  readonly code: string;
  readonly details: unknown;
}

export function hasCode<Code extends ErrorCode>(
  error: unknown,
  code: Code,
): error is IDunnoError<Code> {
  return error instanceof IDunnoError && error.code === code;
}

/** Rebuilds an error that another process sent. A code we do not know (a newer peer) becomes INTERNAL. */
export function fromWire({ code, details }: WireError): IDunnoError {
  if (Object.hasOwn(describe, code) && typeof details === "object" && details !== null) {
    try {
      return new IDunnoError(code as ErrorCode, details as ErrorDetails[ErrorCode]);
    } catch (cause) {
      return new IDunnoError("INTERNAL", { message: `unreadable ${code}` }, { cause });
    }
  }
  return new IDunnoError("INTERNAL", { message: `unknown error code ${code}` });
}

/** Any thrown value as an {@link IDunnoError}, the original kept as its cause. */
export function asIDunnoError(error: unknown): IDunnoError {
  if (error instanceof IDunnoError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new IDunnoError("INTERNAL", { message }, { cause: error });
}
