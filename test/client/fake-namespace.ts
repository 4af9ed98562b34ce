/** What a {@link FakeCluster} says of the names of its files, and how it changes them. */
import type {
  ListView,
  MovedView,
  QuotaView,
  SetQuotaBody,
  UsageView,
} from "../../src/lib/api/files.ts";
import type { FileMove } from "../../src/lib/content.ts";
import { IDunnoError } from "../../src/lib/errors.ts";
import type { FakeCluster } from "./fake-cluster.ts";

/** Small pages, so that few rows make many. */
export const pageRows = 3;

export function list({ files }: FakeCluster, query: URLSearchParams): ListView {
  const after = Buffer.from(query.get("after") ?? "");
  const limit = Math.min(Number(query.get("limit") ?? 1_000), pageRows);
  const matching = [...files.values()]
    .flatMap((versions) => versions.at(-1)?.view ?? [])
    .filter(({ path }) => path.startsWith(query.get("prefix") ?? ""))
    .filter(({ path }) => Buffer.compare(Buffer.from(path), after) > 0)
    .sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const page = matching.slice(0, limit);
  const last = page.at(-1);
  return {
    files: page.map(({ path, version, bytes }) => ({ path, version, bytes, modifiedAtMs: 1_000 })),
    ...(matching.length > limit && last !== undefined ? { next: last.path } : {}),
  };
}

/** A row for each file; twice as many bytes are kept. */
export function usage(cluster: FakeCluster, query: URLSearchParams): UsageView {
  const [prefix, depth] = [query.get("prefix") ?? "", Number(query.get("depth") ?? 0)];
  const { files, next } = list(cluster, query);
  const folders = files.map(({ path, bytes }) => {
    const below = path.slice(prefix.length).split("/").slice(0, -1).slice(0, depth);
    const folder = prefix + below.map((name) => `${name}/`).join("");
    return { path: folder, files: 1, bytes, keptBytes: 2 * bytes };
  });
  return { folders, ...(next === undefined ? {} : { next }) };
}

/** Checks destinations and sources, then moves one after the other. */
export function moveFiles(cluster: FakeCluster, key: string, body: string): unknown {
  const { moves } = JSON.parse(body) as { readonly moves: readonly FileMove[] };
  const { files } = cluster;
  return cluster.once(key, (): MovedView => {
    for (const { from, to } of moves) {
      if (files.has(to)) throw new IDunnoError("CONFLICT", { what: to, why: "it exists" });
      if (!files.has(from))
        throw new IDunnoError("NOT_FOUND", { kind: "file", name: from, remedy: "check the path" });
    }
    const moved = moves.map(({ from, to }) => {
      const versions = files.get(from) ?? [];
      files.delete(from);
      const renamed = versions.map(({ view, content }) => ({
        view: { ...view, path: to },
        content,
      }));
      files.set(to, renamed);
      return { from, path: to, version: versions.length };
    });
    return { files: moved };
  });
}

/** Nobody counts: what lies there stays unknown. */
export function quotas(
  cluster: FakeCluster,
  asked: {
    readonly method: string;
    readonly query: URLSearchParams;
    readonly body: Buffer;
    readonly key: string;
  },
): unknown {
  const { method, key, body } = asked;
  const prefix = asked.query.get("prefix") ?? "";
  if (method === "GET") return [...cluster.quotas.values()];
  return cluster.once(key, () => {
    if (method === "DELETE") {
      cluster.quotas.delete(prefix);
      return { prefix };
    }
    const { bytes, files } = JSON.parse(body.toString()) as SetQuotaBody;
    const view: QuotaView = {
      prefix,
      ...(bytes === undefined ? {} : { bytesLimit: bytes }),
      ...(files === undefined ? {} : { filesLimit: files }),
    };
    cluster.quotas.set(prefix, view);
    return view;
  });
}
