/**
 * What the command line needs of the daemon, loaded only when used: the daemon's packages take a while to load, and
 * most commands talk to one over HTTP.
 */
import type { LogEntryView } from "../lib/api/files.ts";
import type { HostPort, NamedAddress } from "./options.ts";

export interface NodeOptions {
  readonly name: string;
  readonly dataDirectory: string;
  readonly listen: HostPort;
  readonly http: HostPort;
  /** The host under which others reach this node, when it is not the one it listens on. */
  readonly advertise: string | undefined;
  /** The first members of a new cluster; undefined: the data directory must exist already. */
  readonly bootstrap: readonly NamedAddress[] | undefined;
  readonly slots: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

export interface RunningNode {
  readonly httpPort: number;
  readonly peerPort: number;
  /** Drains, hands leadership over and ends; idempotent. */
  close(): Promise<void>;
  /** Settles when the node has ended, whoever ended it; rejects when it failed. */
  readonly stopped: Promise<void>;
}

export type StartNode = (options: NodeOptions) => Promise<RunningNode>;

/** Reads a stopped node's log. @throws DIRECTORY_IN_USE, WRONG_DIRECTORY, CORRUPT */
export type OpenLogDirectory = (
  directory: string,
) => AsyncIterable<LogEntryView> | Promise<AsyncIterable<LogEntryView>>;

/** The doors, as tests replace them. */
export interface NodeDoor {
  readonly startNode: () => Promise<StartNode>;
  readonly openLogDirectory: () => Promise<OpenLogDirectory>;
}

export const nodeDoor: NodeDoor = {
  startNode: async () => ((await import(compiled("main"))) as { startNode: StartNode }).startNode,
  openLogDirectory: async () =>
    ((await import(compiled("log-view"))) as { openLogDirectory: OpenLogDirectory })
      .openLogDirectory,
};

/** A module of src/node beside this one in dist. */
function compiled(name: string): string {
  return new URL(`../node/${name}.js`, import.meta.url).href;
}
