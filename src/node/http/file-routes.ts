/** SDFS over HTTP. Paths follow the route as they are, percent-encoded. */
import { Readable } from "node:stream";
import type { ListView, StoreView } from "../../lib/api/files.ts";
import { apiLimits } from "../../lib/api/routes.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { Type } from "../../lib/schema.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";
import {
  beforeRead,
  Page,
  pageSize,
  requestKey,
  requestSignal,
  statIfAny,
  whileItComes,
} from "./request.ts";
import { fileView, locateView } from "./views.ts";
import { sharedAbort } from "../deadline.ts";

type ByPath = { Params: { "*": string } };

function versionOf(request: { readonly query: unknown }, name = "version"): number | undefined {
  const text = (request.query as Record<string, string | undefined>)[name];
  if (text === undefined) return undefined;
  const version = Number(text);
  if (Number.isSafeInteger(version) && version >= 0) return version;
  throw new IDunnoError("MALFORMED", { path: `?${name}`, expected: "a version number" });
}

export function fileRoutes(app: App, services: Services): void {
  const { files, coordination } = services;

  app.put<ByPath>("/v1/files/*", { bodyLimit: apiLimits.fileBytes }, async (request, reply) => {
    const announced = request.headers["content-length"];
    const size = announced === undefined ? undefined : Number(announced);
    if (size !== undefined && size > apiLimits.fileBytes)
      throw new IDunnoError("TOO_LARGE", { what: "the file", size, limit: apiLimits.fileBytes });
    const { body } = request;
    const signal = requestSignal(request, reply);
    const content = body instanceof Readable ? body : Readable.from([]);
    // A client that fell silent is not waited for after its answer either.
    signal.addEventListener("abort", () => void reply.header("connection", "close"), {
      once: true,
    });
    const stored = await files.put(request.params["*"], whileItComes(content, signal), {
      key: requestKey(request, services),
      ifVersion: versionOf(request, "ifVersion"),
      bytes: size,
      signal,
    });
    return fileView(stored);
  });

  app.get<ByPath>("/v1/files/*", async (request, reply) => {
    await beforeRead(request, reply, services);
    const record = files.stat(request.params["*"], versionOf(request));
    const range = parseRange(request.headers.range, record.bytes);
    const gone = sharedAbort();
    reply.raw.once("close", () => gone.abort(new IDunnoError("CLOSED", { what: "the reader" })));
    const bytes = files.read(record, gone.signal, range);
    // Before the head of the answer is out, what is in the way can still be said.
    const first = await bytes.next();
    if (range !== undefined)
      void reply
        .code(206)
        .header("content-range", `bytes ${range.start}-${range.end - 1}/${record.bytes}`);
    return reply
      .type("application/octet-stream")
      .header("accept-ranges", "bytes")
      .header("etag", `"${record.version}"`)
      .header("content-length", range === undefined ? record.bytes : range.end - range.start)
      .send(Readable.from(startingWith(first, bytes)));
  });

  app.delete<ByPath>("/v1/files/*", async (request, reply) => {
    const signal = requestSignal(request, reply);
    const key = requestKey(request, services);
    await coordination.linearize(signal);
    const path = request.params["*"];
    // A repeated delete finds nothing any more: then the key knows whether it was this one.
    const record = statIfAny(files, path);
    const purge = (request.query as { purge?: string }).purge === "true" ? true : undefined;
    await coordination.decide({ kind: "remove-file", path, purge }, { key, signal });
    return record === undefined
      ? { path, version: 0, bytes: 0, chunks: 0, copies: 0, committedAtMs: 0, content: "" }
      : fileView(record);
  });

  catalogRoutes(app, services);
}

/** What the catalog says of files, without their bytes. */
function catalogRoutes(app: App, services: Services): void {
  const { files } = services;

  app.get<ByPath>("/v1/stat/*", async (request, reply) => {
    await beforeRead(request, reply, services);
    return fileView(files.stat(request.params["*"], versionOf(request)));
  });

  app.get<ByPath>("/v1/versions/*", async (request, reply) => {
    await beforeRead(request, reply, services);
    return files.versions(request.params["*"]).map(fileView);
  });

  app.get<ByPath>("/v1/locate/*", async (request, reply) => {
    await beforeRead(request, reply, services);
    return locateView(files.stat(request.params["*"], versionOf(request)), services);
  });

  app.get("/v1/list", { schema: { querystring: Page } }, async (request, reply) => {
    await beforeRead(request, reply, services);
    const { prefix = "", after = "" } = request.query;
    const limit = pageSize(request.query.limit);
    const view: ListView = { files: [] };
    for await (const { path, last, versions, bytes, modifiedAt } of files.list(prefix, after)) {
      if (view.files.length === limit) {
        view.next = view.files.at(-1)?.path ?? "";
        break;
      }
      const version = versions.at(-1) ?? last;
      view.files.push({ path, version, bytes, modifiedAtMs: modifiedAt });
    }
    return view;
  });

  const Node = Type.Object({ node: Type.String() });
  app.get(
    "/v1/stores/:node",
    { schema: { querystring: Page, params: Node } },
    async (request, reply) => {
      await beforeRead(request, reply, services);
      return storeView(services, request.params.node, request.query);
    },
  );
}

async function* startingWith(
  first: IteratorResult<Uint8Array, unknown>,
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

/** One range of bytes (RFC 9110 §14.1.2); undefined: the whole file, also for what we do not understand. */
function parseRange(
  header: string | undefined,
  bytes: number,
): { readonly start: number; readonly end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  const start = first === "" ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === "" || last === "" ? bytes : Math.min(bytes, Number(last) + 1);
  if (start >= end)
    throw new IDunnoError("INVALID", {
      what: `range ${header ?? ""}`,
      why: `the file has ${bytes} bytes`,
      remedy: "ask for bytes that are there",
    });
  return { start, end };
}

/** What a node's store holds, as the catalog has it. */
async function storeView(
  { machine, state, identity }: Services,
  name: string,
  { after, limit: asked }: { readonly after?: string; readonly limit?: string },
): Promise<StoreView> {
  const node = name === "self" ? identity.node : name;
  const member = [...machine.members.values()].find((each) => each.node === node);
  if (member === undefined)
    throw new IDunnoError("NOT_FOUND", { kind: "node", name, remedy: "see 'idunno members'" });
  const limit = pageSize(asked);
  const prefix = `held/${member.store}/`;
  const view: StoreView = { node, store: member.store, chunks: [] };
  for await (const [key, bytes] of state.rows(prefix, after === undefined ? "" : prefix + after)) {
    if (view.chunks.length === limit) {
      view.next = view.chunks.at(-1)?.hash ?? "";
      break;
    }
    view.chunks.push({ hash: key.slice(prefix.length), bytes: bytes as number });
  }
  return view;
}
