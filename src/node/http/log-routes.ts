/** The log, read from a running node. */
import type { LogView } from "../../lib/api/files.ts";
import { apiLimits } from "../../lib/api/routes.ts";
import { Type } from "../../lib/schema.ts";
import { LogIndex } from "../../lib/types.ts";
import { entryView } from "../log-view.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";

/** Bytes of entries in one page. */
const pageBytes = 8 * 1024 * 1024;

export function logRoutes(app: App, services: Services): void {
  const query = Type.Object({
    from: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$" })),
    limit: Type.Optional(Type.String({ pattern: "^[0-9]{1,6}$" })),
    stale: Type.Optional(Type.String()),
  });
  app.get("/v1/log", { schema: { querystring: query } }, async (request) => {
    const { raft, logStore } = services;
    const limit = Math.max(
      1,
      Math.min(Number(request.query.limit ?? apiLimits.pageRows), apiLimits.pageRows),
    );
    const firstIndex = logStore.base.index + 1;
    const from = Math.max(firstIndex, Number(request.query.from ?? firstIndex));
    const { lastIndex } = logStore;
    const view: LogView = { firstIndex, lastIndex, commitIndex: raft.commitIndex, entries: [] };
    const to = LogIndex(Math.min(lastIndex, from + limit - 1));
    if (from <= to)
      for (const entry of logStore.read(LogIndex(from), to, pageBytes))
        view.entries.push(entryView(entry, logStore.positionOf(entry.index).chain));
    return view;
  });
}
