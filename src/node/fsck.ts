/** How the store is, a page of the catalog at a time: constant memory, however many chunks there are. */
import type { FsckFilesView, FsckView } from "../lib/api/files.ts";
import type { StoreId } from "../lib/types.ts";
import type { Machine } from "../machine/machine.ts";
import { takesMore } from "../machine/tables.ts";
import { healthOf, type StoreState } from "../sdfs/catalog/health.ts";
import type { ChunkRecord, VersionRecord } from "../sdfs/catalog/types.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Rows read for a page: some 50 ms of work, in between which the loop turns. */
const rowsPerPage = 5_000;
/** Damaged files named in a page. */
const filesPerPage = 1_000;

interface FsckPorts {
  readonly state: StateStore;
  readonly machine: Machine;
}

/** The chunks after `after` that some version names, counted by how they are. */
export async function fsckPage({ state, machine }: FsckPorts, after: string): Promise<FsckView> {
  const cluster = clusterOf(machine);
  const view: FsckView = {
    nodes: cluster.nodes,
    chunks: 0,
    bytes: 0,
    whole: 0,
    lacking: 0,
    unavailable: 0,
    lost: 0,
    excess: 0,
  };
  let scanned = 0;
  for await (const [key, row] of state.rows("chunk/", after === "" ? "" : `chunk/${after}`)) {
    const chunk = row as ChunkRecord;
    scanned += 1;
    if (chunk.references > 0) {
      const { health, excess } = healthOf(chunk, cluster);
      view.chunks += 1;
      view.bytes += chunk.bytes;
      view[health] += 1;
      view.excess += excess;
    }
    if (scanned === rowsPerPage) return { ...view, next: key.slice("chunk/".length) };
  }
  return view;
}

/** The versions after `after` of which a chunk cannot be read now. */
export async function fsckFilesPage(
  { state, machine }: FsckPorts,
  after: string,
): Promise<FsckFilesView> {
  const cluster = clusterOf(machine);
  const view: FsckFilesView = { files: [] };
  let scanned = 0;
  for await (const [key, row] of state.rows("version/", after === "" ? "" : `version/${after}`)) {
    const { path, version, chunks } = row as VersionRecord;
    scanned += 1 + chunks.length;
    const unreadable = chunks
      .map(({ hash }) => state.get(`chunk/${hash}`) as ChunkRecord | undefined)
      .map((chunk) => healthOf(chunk ?? { stores: [] }, cluster).health);
    const lost = unreadable.filter((health) => health === "lost").length;
    const unavailable = unreadable.filter((health) => health === "unavailable").length;
    if (lost + unavailable > 0) view.files.push({ path, version, lost, unavailable });
    if (scanned >= rowsPerPage || view.files.length === filesPerPage)
      return { ...view, next: key.slice("version/".length) };
  }
  return view;
}

/** Stores that were not lost, and how many nodes copies count on. */
function clusterOf({ members, stores }: Machine): {
  readonly stores: ReadonlyMap<StoreId, StoreState>;
  readonly nodes: number;
} {
  const known = new Map<StoreId, StoreState>();
  for (const member of members.values()) {
    if (stores.get(member.store)?.state !== "active") continue;
    known.set(member.store, {
      node: member.node,
      counts: takesMore(member),
      readable: member.state === "up",
    });
  }
  return { stores: known, nodes: [...known.values()].filter(({ counts }) => counts).length };
}
