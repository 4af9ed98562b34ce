/**
 * One request of the HTTP interface (lib/api/routes.ts): where it goes, what it carries, and how an answer, an error
 * body or a broken connection is read. Retrying is in retry.ts; the typed methods are in client.ts.
 */
import { ErrorBody } from "../lib/api/cluster.ts";
import { fromWire, hasCode, IDunnoError } from "../lib/errors.ts";
import { parser } from "../lib/schema.ts";
import { Deadline, Silence } from "./deadline.ts";
import { NodeRing } from "./node-ring.ts";
import { TryElsewhere, Unanswered, untilAnswered } from "./retry.ts";
import type { Upload } from "./upload.ts";

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Already encoded: `/v1/files/a%20b.jpg`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly json?: unknown;
  readonly upload?: Upload;
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: string | undefined;
  /** How long the body of the answer may pause; by default the time-out. */
  readonly idleMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body is still coming. */
export interface OpenAnswer {
  readonly node: string;
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives the connection back; the body need not have been read. */
  close(): void;
}

export interface TransportOptions {
  readonly nodes: readonly string[];
  readonly timeoutMs: number;
  readonly patienceMs: number;
}

/** What is posted and changes nothing that anybody would miss. */
const harmless: ReadonlySet<string> = new Set(["/v1/keys", "/v1/stat", "/v1/inspect"]);

const parseError = parser(ErrorBody, "error answer");

export class Transport {
  readonly ring: NodeRing;
  readonly #options: TransportOptions;

  constructor(options: TransportOptions) {
    if (options.nodes.length === 0)
      throw new IDunnoError("USAGE", { message: "no node is named: give --node host:port" });
    this.ring = new NodeRing(options.nodes);
    this.#options = options;
  }

  deadline(): Deadline {
    return new Deadline(this.#options.timeoutMs);
  }

  /** Asks until somebody answers, and reads the answer as JSON of the right shape. */
  async json<T>(call: Call, parse: (value: unknown) => T): Promise<T> {
    const deadline = this.deadline();
    return this.#retried(call, deadline, async (node, withinMs) => {
      const connection = new AbortController();
      const done = deadline.watch(connection, { withinMs, signal: call.signal });
      try {
        const answer = await ask({ node, call, deadline, connection });
        return parse(readJson(await answer.text(), call));
      } catch (error) {
        throw classify(error, call);
      } finally {
        done();
        // An answer may come before the end of an upload: what is left of it must not be sent.
        connection.abort();
      }
    });
  }

  /** Asks until somebody begins to answer; the body is the caller's to read, each piece extending `deadline`. */
  async open(call: Call, deadline: Deadline): Promise<OpenAnswer> {
    return this.#retried(call, deadline, async (node, withinMs) => {
      const connection = new AbortController();
      const done = deadline.watch(connection, { withinMs, signal: call.signal });
      try {
        const answer = await ask({ node, call, deadline, connection });
        const body = pieces(answer, { node, call, deadline, connection });
        return { node, status: answer.status, body, close: () => connection.abort() };
      } catch (error) {
        throw classify(error, call);
      } finally {
        done();
      }
    });
  }

  async #retried<T>(
    call: Call,
    deadline: Deadline,
    attempt: (node: string, withinMs: number) => Promise<T>,
  ): Promise<T> {
    return untilAnswered(
      {
        ring: this.ring,
        deadline,
        what: `${call.method} ${decodeURI(call.path)}`,
        mutates: call.method !== "GET" && !harmless.has(call.path),
        patienceMs: this.#options.patienceMs,
        leaveSilent: call.upload === undefined,
        signal: call.signal,
      },
      attempt,
    );
  }
}

/** One try of a call at one node. */
interface Try {
  readonly node: string;
  readonly call: Call;
  readonly deadline: Deadline;
  /** Aborting it closes the connection. */
  readonly connection: AbortController;
}

/** A body in pieces. Silence is measured only while a piece is awaited: a slow reader is no fault of the node. */
async function* pieces(
  answer: Response,
  { call, deadline, connection }: Try,
): AsyncGenerator<Uint8Array> {
  const reader = (answer.body as ReadableStream<Uint8Array> | null)?.getReader();
  if (reader === undefined) return;
  const next = async (): Promise<Uint8Array | undefined> => {
    const withinMs = call.idleMs ?? deadline.timeoutMs;
    const done = deadline.watch(connection, { withinMs, signal: call.signal });
    try {
      const { value } = await reader.read();
      deadline.extend();
      return value;
    } catch (error) {
      throw classify(error, call);
    } finally {
      done();
    }
  };
  for (let piece = await next(); piece !== undefined; piece = await next()) yield piece;
}

async function ask({ node, call, deadline, connection }: Try): Promise<Response> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {}))
    if (value !== undefined) query.set(name, String(value));
  const search = query.size === 0 ? "" : `?${query.toString()}`;
  const answer = await fetch(`http://${node}${call.path}${search}`, {
    method: call.method,
    signal: connection.signal,
    redirect: "error",
    headers: {
      ...call.headers,
      ...(call.key === undefined ? {} : { "idempotency-key": call.key }),
      ...(call.json === undefined ? {} : { "content-type": "application/json" }),
      ...(call.upload === undefined ? {} : { "content-type": "application/octet-stream" }),
      "idunno-timeout-ms": String(Math.max(1, Math.ceil(deadline.remainingMs))),
    },
    ...(call.json === undefined ? {} : { body: JSON.stringify(call.json) }),
    ...(call.upload === undefined
      ? {}
      : { body: timed(call.upload.open(), deadline), duplex: "half" as const }),
  });
  if (answer.ok) return answer;
  throw refusal(answer.status, await answer.text(), call);
}

/** The source's pieces; the clock of the deadline runs only while the node has to take one. */
async function* timed(
  source: AsyncGenerator<Uint8Array>,
  deadline: Deadline,
): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const { done, value } = await deadline.holding(async () => source.next());
      if (done === true) return;
      yield value;
    }
  } finally {
    await source.return(undefined);
  }
}

const elsewhere = ["NO_LEADER", "NOT_LEADER", "BUSY", "CLOSED"] as const;

function refusal(status: number, text: string, call: Call): IDunnoError | TryElsewhere {
  try {
    const { error } = parseError(JSON.parse(text));
    const answer = fromWire({ code: error.code, details: error.details });
    const retryable = status === 503 || elsewhere.some((code) => hasCode(answer, code));
    return retryable ? new TryElsewhere(answer) : answer;
  } catch (cause) {
    if (status === 503)
      return new TryElsewhere(new IDunnoError("CLOSED", { what: "the node" }, { cause }));
    const path = `${call.method} ${call.path} (HTTP ${status})`;
    return new IDunnoError("MALFORMED", { path, expected: "an error body" }, { cause });
  }
}

function readJson(text: string, call: Call): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const path = `answer to ${call.method} ${call.path}`;
    throw new IDunnoError("MALFORMED", { path, expected: "JSON" }, { cause });
  }
}

const refused = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** What went wrong with a try: our own errors stay as they are, all else means that no answer came. */
function classify(error: unknown, { signal, upload }: Call): unknown {
  if (error instanceof IDunnoError || error instanceof TryElsewhere) return error;
  if (signal?.aborted === true) return signal.reason;
  if (upload?.failure !== undefined) return upload.failure;
  const cause = error instanceof Error ? error.cause : undefined;
  if (error instanceof Silence || cause instanceof Silence)
    return new Unanswered("silent", { cause: error });
  const code =
    typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "";
  return new Unanswered(refused.has(code) ? "refused" : "dropped", { cause: error });
}
