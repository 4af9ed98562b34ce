/**
 * What the command line needs of the daemon, loaded only when used: the daemon's packages take a while to load, and
 * most commands talk to one over HTTP.
 */
import type { openLogDirectory } from "../node/log-view.ts";
import type { NodeOptions, RunningNode, startNode } from "../node/main.ts";

import type { inspectDirectory, recoverDirectory, RecoveryView } from "../node/recovery.ts";

export type { NodeOptions, RecoveryView, RunningNode };
export type StartNode = typeof startNode;
/** Reads a stopped node's log. @throws DIRECTORY_IN_USE, WRONG_DIRECTORY, CORRUPT */
export type OpenLogDirectory = typeof openLogDirectory;

/** Looks at a stopped node's directory, and goes on from it without the others. */
export interface Recovery {
  readonly inspectDirectory: typeof inspectDirectory;
  readonly recoverDirectory: typeof recoverDirectory;
}

/** The doors, as tests replace them. */
export interface NodeDoor {
  readonly startNode: () => Promise<StartNode>;
  readonly openLogDirectory: () => Promise<OpenLogDirectory>;
  readonly recovery: () => Promise<Recovery>;
}

export const nodeDoor: NodeDoor = {
  startNode: async () => (await import("../node/main.ts")).startNode,
  openLogDirectory: async () => (await import("../node/log-view.ts")).openLogDirectory,
  recovery: async () => import("../node/recovery.ts"),
};
