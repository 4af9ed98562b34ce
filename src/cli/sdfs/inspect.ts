/** `idunno sdfs stat`, `versions`, `locate`, `store` and `rm`. */
import type { Command } from "commander";
import type { FileView, LocateView, StoreView } from "../../lib/api/files.ts";
import { apiLimits } from "../../lib/api/routes.ts";
import { humanBytes, humanLogTime, plural } from "../format.ts";
import { fileAt } from "../options.ts";
import type { Column } from "../output.ts";
import type { Open } from "../session.ts";
import { putColumns } from "./put.ts";

const fileColumns: readonly Column<FileView>[] = [
  ...putColumns,
  { name: "chunks", value: ({ chunks }) => chunks },
  {
    name: "committed",
    value: ({ committedAtMs }) => committedAtMs,
    human: ({ committedAtMs }) => humanLogTime(committedAtMs),
  },
];

const chunkColumns: readonly Column<StoreView["chunks"][number]>[] = [
  { name: "chunk", value: ({ hash }) => hash },
  { name: "size", value: ({ bytes }) => bytes, human: ({ bytes }) => humanBytes(bytes) },
];

const locateColumns: readonly Column<LocateView["chunks"][number]>[] = [
  ...chunkColumns,
  {
    name: "replicas",
    value: ({ replicas }) => replicas.map(({ node, state }) => `${node}:${state}`).join(" "),
  },
];

export function addInspectCommands(sdfs: Command, open: Open): void {
  sdfs
    .command("stat <path[@version]>")
    .description("what is known of a file")
    .action(async (source: string, _options: object, command: Command) => {
      const session = open(command);
      const { path, version } = fileAt(source);
      const view = await session.client.stat(path, { version, signal: session.signal });
      await session.print.record(view, fileColumns);
    });

  sdfs
    .command("versions <path>")
    .description("the versions kept of a file, oldest first")
    .action(async (path: string, _options: object, command: Command) => {
      const session = open(command);
      const views = await session.client.versions(path, { signal: session.signal });
      await session.print.rows(views, fileColumns);
    });

  sdfs
    .command("locate <path[@version]>")
    .description("which nodes hold the chunks of a file")
    .action(async (source: string, _options: object, command: Command) => {
      const session = open(command);
      const { path, version } = fileAt(source);
      const view = await session.client.locate(path, { version, signal: session.signal });
      await session.print.rows(view.chunks, locateColumns, view);
    });

  sdfs
    .command("store [node]")
    .description("the chunks that a node holds; without a name, the node that answers")
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const session = open(command);
      const { signal } = session;
      let view = await session.client.store(
        name ?? "self",
        { limit: apiLimits.pageRows },
        { signal },
      );
      // Of the node that gave the first page: `self` would change its meaning with the node that answers.
      const { node, store } = view;
      const chunks = [...view.chunks];
      while (view.next !== undefined) {
        const query = { after: view.next, limit: apiLimits.pageRows };
        view = await session.client.store(node, query, { signal });
        chunks.push(...view.chunks);
      }
      await session.print.rows(chunks, chunkColumns, { node, store, chunks });
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
      session.note(`${node}: ${plural(chunks.length, "chunk")}, ${humanBytes(bytes)}`);
    });

  sdfs
    .command("rm <path>")
    .description("remove a file with all its versions; 'undelete' brings it back for an hour")
    .option("--purge", "for good: what it takes up is free a minute later")
    .action(async (path: string, options: { purge?: true }, command: Command) => {
      const session = open(command);
      const purge = options.purge === true;
      const view = await session.client.removeFile(path, { purge, signal: session.signal });
      await session.print.record(view, fileColumns);
    });

  sdfs
    .command("undelete <path>")
    .description(
      "bring a removed file back, with its versions ('setting set sdfs-undelete-s': for how long)",
    )
    .action(async (path: string, _options: object, command: Command) => {
      const session = open(command);
      const view = await session.client.restoreFile(path, { signal: session.signal });
      await session.print.record(view, fileColumns);
    });
}
