/**
 * What is read from the node's parts whenever metrics are asked for, in Prometheus' words: base units, one row for each
 * combination of labels. Nothing here is counted or kept.
 */
import { preloaded } from "../machine/models.ts";
import type { Services } from "./services.ts";

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Reading {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: (services: Services) => readonly Sample[];
}

const nanosecondsPerSecond = 1e9;
const microsecondsPerSecond = 1e6;

const one = (value: number): readonly Sample[] => [{ value }];

/** A sample for each of the values, by one label. */
function by(label: string, values: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

const raftReadings: readonly Reading[] = [
  {
    name: "idunno_raft_role",
    help: "1 for what this node is",
    labels: ["role"],
    read: ({ raft }) => {
      const { kind } = raft.role;
      const role = raft.isDamaged ? "damaged" : kind === "preCandidate" ? "candidate" : kind;
      const none = { leader: 0, candidate: 0, follower: 0, damaged: 0 };
      return by("role", { ...none, [role]: 1 });
    },
  },
  {
    name: "idunno_raft_term",
    help: "current term",
    read: ({ raft }) => one(raft.role.term),
  },
  {
    name: "idunno_raft_last_index",
    help: "last entry of the log",
    read: ({ raft }) => one(raft.lastIndex),
  },
  {
    name: "idunno_raft_commit_index",
    help: "last entry known to be committed",
    read: ({ raft }) => one(raft.commitIndex),
  },
  {
    name: "idunno_raft_applied_index",
    help: "last entry applied to the state",
    read: ({ applier }) => one(applier.appliedIndex),
  },
  {
    name: "idunno_state_durable_index",
    help: "last entry whose effects are in the state on disk",
    read: ({ state }) => one(state.durableIndex),
  },
  {
    name: "idunno_raft_peer_lag_entries",
    help: "as the leader: entries that a peer is not known to have",
    labels: ["peer"],
    read: ({ raft }) =>
      [...raft.peers].map(([peer, { matchIndex }]) => ({
        labels: { peer },
        value: raft.lastIndex - matchIndex,
      })),
  },
];

const clusterReadings: readonly Reading[] = [
  {
    name: "idunno_members",
    help: "members of the cluster, as this node's state has them",
    labels: ["state"],
    read: ({ machine }) => {
      const states = [...machine.members.values()].map(({ state }) => state);
      const count = (wanted: string): number => states.filter((state) => state === wanted).length;
      return by("state", { up: count("up"), down: count("down") });
    },
  },
  {
    name: "idunno_peers_connected",
    help: "peers to which this node's raft lane is up",
    read: ({ peers }) => one(peers.connected),
  },
  {
    name: "idunno_jobs",
    help: "jobs of the cluster that have not ended, as this node's state has them",
    labels: ["state"],
    read: ({ machine }) => {
      const kinds = [...machine.jobs.values()].map(({ status }) => status.kind);
      const count = (kind: string): number => kinds.filter((each) => each === kind).length;
      return by("state", { running: count("running"), paused: count("paused") });
    },
  },
];

const processReadings: readonly Reading[] = [
  {
    name: "idunno_slots",
    help: "inference threads of this node",
    read: ({ executor }) => one(executor.slots),
  },
  {
    name: "idunno_slots_busy",
    help: "inference threads that run a query",
    read: ({ executor }) => one(executor.running),
  },
  {
    name: "idunno_queries_queued",
    help: "queries that wait for a thread of this node",
    read: ({ executor }) => one(executor.queued),
  },
  {
    name: "idunno_job_queries_run",
    help: "queries of a job that this node has run since its start, in parts as micro-batches end",
    labels: ["job"],
    read: ({ executor }) =>
      [...executor.queriesRun].map(([job, value]) => ({ labels: { job }, value })),
  },
  {
    name: "idunno_models",
    help: "models that every node is to keep loaded, by whether this node's threads have them",
    labels: ["state"],
    read: ({ executor, machine }) => {
      const all = preloaded(machine);
      const loaded = all.filter(({ manifest }) => executor.isLoaded(manifest.sha256)).length;
      return by("state", { loaded, notLoaded: all.length - loaded });
    },
  },
  {
    name: "idunno_event_loop_delay_seconds",
    help: "delay of the daemon's event loop since its start: median, 99th percentile and maximum",
    labels: ["quantile"],
    read: ({ loopDelay }) =>
      by("quantile", {
        "0.5": loopDelay.percentile(50) / nanosecondsPerSecond,
        "0.99": loopDelay.percentile(99) / nanosecondsPerSecond,
        "1": loopDelay.max / nanosecondsPerSecond,
      }),
  },
  {
    name: "idunno_cpu_seconds",
    help: "processor time that the daemon has taken, without its executor",
    read: () => {
      const { user, system } = process.cpuUsage();
      return one((user + system) / microsecondsPerSecond);
    },
  },
  {
    name: "idunno_resident_memory_bytes",
    help: "resident memory of the daemon, without its executor",
    read: () => one(process.memoryUsage.rss()),
  },
];

const storeReadings: readonly Reading[] = [
  {
    name: "idunno_store_free_bytes",
    help: "room on the disk that chunks may still take",
    read: ({ room }) => (room.freeBytes === undefined ? [] : one(room.freeBytes)),
  },
  {
    name: "idunno_store_full",
    help: "1 while this node takes no chunks for want of room",
    read: ({ room }) => one(room.isFull ? 1 : 0),
  },
  {
    name: "idunno_scrub_chunks",
    help: "chunks read in the present or last pass over the store, by what was found",
    labels: ["found"],
    read: ({ upkeep }) => {
      const { chunks, damaged } = upkeep().scrub;
      return by("found", { whole: chunks - damaged, damaged });
    },
  },
  {
    name: "idunno_repair_copies",
    help: "as the leader: copies made since it leads, under way, and held up by full disks",
    labels: ["state"],
    read: ({ upkeep }) => {
      const { repair } = upkeep();
      if (repair === undefined) return [];
      return by("state", {
        made: repair.copied,
        underWay: repair.underWay,
        heldUp: repair.heldUp,
      });
    },
  },
];

export const readings: readonly Reading[] = [
  ...raftReadings,
  ...clusterReadings,
  ...storeReadings,
  ...processReadings,
];
