/** What every route takes from a request: its deadline, its idempotency key, how fresh its answer must be. */
import type { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { apiLimits } from "../../lib/api/routes.ts";
import { hasCode, IDunnoError } from "../../lib/errors.ts";
import { Type } from "../../lib/schema.ts";
import { sawBytes } from "../../net/young-garbage.ts";
import { abortable, deadline, type Deadline, sharedAbort } from "../deadline.ts";
import type { VersionRecord } from "../../sdfs/catalog/types.ts";
import type { Files } from "../files.ts";
import type { Services } from "../services.ts";
import { systemRuntime } from "../system-runtime.ts";

/** Longest wait a client may ask for, in ms. */
const timeoutMaxMs = 10 * 60_000;
/** The answer leaves this much before the client gives up: a tenth of its patience, or what a busy machine needs, in ms. */
const leadShare = 0.1;
const leadMs = 500;

/** Which part of a listing is asked for. */
export const Page = Type.Object({
  prefix: Type.Optional(Type.String({ maxLength: 1024 })),
  after: Type.Optional(Type.String({ maxLength: 2048 })),
  limit: Type.Optional(Type.String({ pattern: "^[0-9]{1,6}$" })),
  stale: Type.Optional(Type.String()),
});

/** Rows of the page. */
export function pageSize(limit: string | undefined): number {
  return Math.max(1, Math.min(Number(limit ?? apiLimits.pageRows), apiLimits.pageRows));
}

/** The deadline that a request set, ended early when its client goes away. */
export function requestSignal(request: FastifyRequest, reply: FastifyReply): Deadline {
  const asked = Number(request.headers["idunno-timeout-ms"] ?? apiLimits.timeoutMs);
  const wanted =
    Number.isFinite(asked) && asked > 0 ? Math.min(asked, timeoutMaxMs) : apiLimits.timeoutMs;
  // Answered a little before the client gives up, so that it learns what was in the way.
  const ms = wanted - Math.max(wanted * leadShare, Math.min(leadMs, wanted / 2));
  const gone = sharedAbort();
  const signal = deadline(
    systemRuntime,
    `${request.method} ${request.routeOptions.url ?? request.url}`,
    ms,
    gone.signal,
  );
  reply.raw.once("close", () => {
    // Most requests end with their answer: then nobody waits any more, and an abort would be work for nothing.
    if (!reply.raw.writableFinished)
      gone.abort(new IDunnoError("CLOSED", { what: "the client's connection" }));
    signal[Symbol.dispose]();
  });
  return signal;
}

/** Whether a switch in the query is on: `?purge`, `?purge=true`. */
export function isOn(value: string | undefined): boolean {
  return value === "true" || value === "";
}

/** The client's idempotency key, or a fresh one. */
export function requestKey(request: FastifyRequest, services: Services): string {
  const key = request.headers["idempotency-key"];
  return typeof key === "string" && key !== "" ? key : services.coordination.mintKey();
}

/** Brings this node up to date before a read, unless the client said that it need not be. */
export async function beforeRead(
  request: FastifyRequest,
  reply: FastifyReply,
  services: Services,
): Promise<AbortSignal> {
  const signal = requestSignal(request, reply);
  const { stale } = request.query as { readonly stale?: boolean | string };
  if (stale !== true && stale !== "true" && stale !== "")
    await services.coordination.linearize(signal);
  return signal;
}

/** An upload may take as long as it needs, as long as something comes: the deadline counts from the last piece. */
export async function* whileItComes(
  content: Readable,
  limit: Deadline,
): AsyncGenerator<Uint8Array> {
  // Left open when it does not end: the answer goes out on the same connection.
  const pieces = content.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  for (;;) {
    const { done, value } = await abortable(pieces.next(), limit);
    if (done === true) return;
    limit.renew();
    sawBytes(value.length);
    yield value;
  }
}

/** The newest version of a file, where absence is an answer. */
export function statIfAny(files: Pick<Files, "stat">, path: string): VersionRecord | undefined {
  try {
    return files.stat(path);
  } catch (error) {
    if (hasCode(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}
