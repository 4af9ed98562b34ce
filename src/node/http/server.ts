/**
 * HTTP on every node: validation by the API's schemas, errors as `{error: {code, message, details}}`, and nothing
 * else. What a route does stands in the routes files; what it answers, in views.ts.
 */
import type { AddressInfo } from "node:net";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import { apiLimits } from "../../lib/api/routes.ts";
import { asIDunnoError, type ErrorCode, IDunnoError } from "../../lib/errors.ts";
import type { Logger } from "../log.ts";
import type { Services } from "../services.ts";
import { makeApp } from "./app.ts";
import { bulkRoutes, statRoute } from "./bulk-routes.ts";
import { clusterRoutes } from "./cluster-routes.ts";
import { fileRoutes } from "./file-routes.ts";
import { jobRoutes } from "./job-routes.ts";
import { logRoutes } from "./log-routes.ts";
import { modelRoutes } from "./model-routes.ts";
import { namespaceRoutes } from "./namespace-routes.ts";
import { quotaRoutes } from "./quota-routes.ts";
import { settingRoutes } from "./setting-routes.ts";

/** Which HTTP status tells which failure. */
const statuses: { readonly [C in ErrorCode]: number } = {
  MALFORMED: 400,
  USAGE: 400,
  INVALID: 422,
  NOT_LEADER: 503,
  NO_LEADER: 503,
  UNREACHABLE: 503,
  TIMED_OUT: 504,
  CLOSED: 503,
  TOO_LARGE: 413,
  BUSY: 429,
  NOT_FOUND: 404,
  CONFLICT: 409,
  KEY_EXPIRED: 409,
  KEY_REUSED: 409,
  STALE_CATALOG: 409,
  TOO_FEW_COPIES: 503,
  CHUNK_UNAVAILABLE: 503,
  BAD_MODEL: 422,
  DIRECTORY_IN_USE: 500,
  PORT_IN_USE: 500,
  WRONG_DIRECTORY: 500,
  CORRUPT: 500,
  HANDSHAKE_REFUSED: 503,
  STORAGE_FAILED: 500,
  NO_SPACE: 507,
  QUOTA_EXCEEDED: 507,
  EXECUTOR_FAILED: 503,
  JOB_FAILED: 422,
  INTERNAL: 500,
};

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws IDunnoError PORT_IN_USE */
export async function startHttp(
  listen: { readonly host: string; readonly port: number },
  services: Services,
): Promise<HttpServer> {
  const onError = (error: unknown, request: FastifyRequest, reply: FastifyReply): void =>
    answerError(error, request, reply, services.log);
  const app = makeApp(onError);
  app.setErrorHandler(onError);
  app.setNotFoundHandler((request, reply) => {
    const error = new IDunnoError("NOT_FOUND", {
      kind: "route",
      name: `${request.method} ${request.url}`,
      remedy: "see /v1/status for the version of this node",
    });
    answerError(error, request, reply, services.log);
  });
  app.get("/livez", async () => ({ live: true }));
  app.get("/readyz", async (_request, reply) => {
    const ready = services.isReady();
    return reply.code(ready ? 200 : 503).send({ ready });
  });
  app.get("/metrics", async (_request, reply) => {
    const { metrics } = services;
    return reply.type(metrics.contentType).send(await metrics.render(services));
  });
  clusterRoutes(app, services);
  modelRoutes(app, services);
  settingRoutes(app, services);
  namespaceRoutes(app, services);
  quotaRoutes(app, services);
  jobRoutes(app, services);
  statRoute(app, services);
  void app.register(async (files) => {
    // A file's bytes are taken as a stream, whatever they claim to be: JSON, too, is stored and not parsed.
    files.removeAllContentTypeParsers();
    files.addContentTypeParser("*", (_request, payload, done) => {
      done(null, payload);
    });
    const typed = files.withTypeProvider<TypeBoxTypeProvider>();
    fileRoutes(typed, services);
    bulkRoutes(typed, services);
  });
  logRoutes(app, services);
  try {
    await app.listen({ host: listen.host, port: listen.port });
  } catch (error) {
    await app.close();
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE")
      throw new IDunnoError("PORT_IN_USE", { address: `${listen.host}:${listen.port}` });
    throw error;
  }
  const { port } = app.server.address() as AddressInfo;
  return { port, close: async () => app.close() };
}

function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): void {
  const known = translate(error);
  const status = statuses[known.code];
  if (known.code === "INTERNAL")
    log.error("request-failed", {
      method: request.method,
      url: request.url,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  void reply.code(status).send({
    error: { code: known.code, message: known.message, details: known.details },
  });
}

/** Fastify's own errors as ours. */
function translate(error: unknown): IDunnoError {
  if (error instanceof IDunnoError || !(error instanceof Error)) return asIDunnoError(error);
  if ("validation" in error && error.validation !== undefined)
    return new IDunnoError("MALFORMED", { path: "request", expected: error.message });
  if ("code" in error && error.code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new IDunnoError("TOO_LARGE", {
      what: "the body",
      size: apiLimits.bodyBytes + 1,
      limit: apiLimits.bodyBytes,
    });
  if ("code" in error && error.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE")
    return new IDunnoError("MALFORMED", { path: "content-type", expected: "application/json" });
  if ("code" in error && error.code === "FST_ERR_BAD_URL")
    return new IDunnoError("MALFORMED", { path: "the URL", expected: "percent-encoded UTF-8" });
  if ("statusCode" in error && error.statusCode === 400)
    return new IDunnoError("MALFORMED", { path: "body", expected: error.message });
  return asIDunnoError(error);
}
