/** Names in SDFS over HTTP: giving files other ones. */
import { MoveBody, type MovedView } from "../../lib/api/files.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";
import { requestKey, requestSignal } from "./request.ts";

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
      const moved = value.kind === "files" ? value.files : [];
      return {
        files: moved.map(({ path, version }, i) => ({ from: moves[i]?.from ?? "", path, version })),
      };
    },
  );
}
