/** Names in SDFS over HTTP: giving files other ones or their old ones back, how much lies under them, how all of it is. */
import { MoveBody, type MovedView } from "../../lib/api/files.ts";
import { fileOutcomes } from "../../lib/outcome.ts";
import { fsckFilesPage, fsckPage } from "../fsck.ts";
import { usagePage } from "../usage.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";
import { Type } from "../../lib/schema.ts";
import { beforeRead, Page, requestKey, requestSignal } from "./request.ts";
import { fileView } from "./views.ts";

/** Which part of the files, and how many folders under the prefix are told apart. */
const UsageQuery = Type.Object({
  prefix: Page.properties.prefix,
  after: Page.properties.after,
  depth: Type.Optional(Type.String({ pattern: "^[0-9]{1,2}$" })),
  stale: Page.properties.stale,
});

const AfterQuery = Type.Object({ after: Page.properties.after, stale: Page.properties.stale });

export function namespaceRoutes(app: App, services: Services): void {
  const { coordination } = services;

  app.post<{ Body: MoveBody }>(
    "/v1/moves",
    { schema: { body: MoveBody } },
    async (request, reply): Promise<MovedView> => {
      const signal = requestSignal(request, reply);
      const key = requestKey(request, services);
      const { moves } = request.body;
      const value = await coordination.decide({ kind: "move-files", moves }, { key, signal });
      return {
        files: fileOutcomes(value).map(({ version }, i) => {
          const { from = "", to = "" } = moves[i] ?? {}; // unreachable: an outcome for each
          return { from, path: to, version };
        }),
      };
    },
  );

  app.post<{ Params: { "*": string } }>("/v1/restore/*", async (request, reply) => {
    const signal = requestSignal(request, reply);
    const key = requestKey(request, services);
    const path = request.params["*"];
    const value = await coordination.decide({ kind: "restore-file", path }, { key, signal });
    await coordination.linearize(signal);
    return fileView(services.files.stat(path, fileOutcomes(value)[0]?.version));
  });

  app.get("/v1/fsck", { schema: { querystring: AfterQuery } }, async (request, reply) => {
    await beforeRead(request, reply, services);
    return fsckPage(services, request.query.after ?? "");
  });

  app.get("/v1/fsck/files", { schema: { querystring: AfterQuery } }, async (request, reply) => {
    await beforeRead(request, reply, services);
    return fsckFilesPage(services, request.query.after ?? "");
  });

  app.get("/v1/usage", { schema: { querystring: UsageQuery } }, async (request, reply) => {
    await beforeRead(request, reply, services);
    const { prefix = "", after = "", depth = "0" } = request.query;
    return usagePage(services.state, { prefix, after, depth: Number(depth) });
  });
}
