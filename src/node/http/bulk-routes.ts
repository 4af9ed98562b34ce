/** Many files in one request: put together, or asked about. */
import { Readable } from "node:stream";
import { bulkLimits, type FilesView, StatBody } from "../../lib/api/bulk.ts";
import type { VersionRecord } from "../../sdfs/catalog/types.ts";
import { type BulkItem, uploadMany } from "../bulk.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";
import { bulkFiles } from "./bulk-body.ts";
import { beforeRead, requestKey, requestSignal, statIfAny, whileItComes } from "./request.ts";
import { fileView } from "./views.ts";

/** In the scope of routes whose bodies are streams. */
export function bulkRoutes(app: App, services: Services): void {
  const { files, chunks } = services;

  app.post("/v1/files", { bodyLimit: bulkLimits.bodyBytes }, async (request, reply) => {
    const signal = requestSignal(request, reply);
    chunks.refuseIfFull();
    const { body } = request;
    const content = body instanceof Readable ? body : Readable.from([]);
    // A client that fell silent is not waited for after its answer either.
    signal.addEventListener("abort", () => void reply.header("connection", "close"), {
      once: true,
    });
    const items = itemsOf(whileItComes(content, signal));
    const uploads = await uploadMany(items, chunks, signal);
    if (uploads.length === 0) return { files: [] };
    const key = requestKey(request, services);
    const stored = await files.commit(uploads, { key, signal });
    return { files: stored.map(fileView) } satisfies FilesView;
  });
}

async function* itemsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<BulkItem> {
  for await (const { path, content, ifVersion } of bulkFiles(body))
    yield { path, content, ifVersion };
}

/** In the scope of routes whose bodies are JSON. */
export function statRoute(app: App, services: Services): void {
  app.post("/v1/stat", { schema: { body: StatBody } }, async (request, reply) => {
    await beforeRead(request, reply, services);
    const records = request.body.paths
      .map((path) => statIfAny(services.files, path))
      .filter((record): record is VersionRecord => record !== undefined);
    return { files: records.map(fileView) } satisfies FilesView;
  });
}
