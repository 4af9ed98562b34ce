/** What a node tells Prometheus. */
import test from "ava";
import { metricNames, Metrics } from "../../src/node/metrics.ts";
import type { Services } from "../../src/node/services.ts";

function services(leads: boolean): Services {
  const peers = leads ? [["n2", { matchIndex: 7 }] as const] : [];
  const parts = {
    raft: {
      role: { kind: leads ? "leader" : "preCandidate", term: 3, leader: "n1" },
      isDamaged: false,
      lastIndex: 10,
      commitIndex: 9,
      peers: new Map(peers),
    },
    applier: { appliedIndex: 8 },
    state: { durableIndex: 6 },
    machine: {
      members: new Map([
        ["n1", { state: "up" }],
        ["n2", { state: "down" }],
      ]),
      jobs: new Map([["j1", { status: { kind: "paused" } }]]),
      models: new Map(["a", "b", "c"].map((sha256) => [sha256, { manifest: { sha256 } }])),
      olderModels: new Map(),
      aliases: new Map(),
    },
    peers: { connected: 1 },
    executor: {
      slots: 4,
      running: 3,
      queued: 2,
      isLoaded: (sha256: string) => sha256 !== "c",
      queriesRun: new Map([["j1", 2.25]]),
    },
    room: { freeBytes: 77, isFull: false },
    upkeep: () => ({
      scrub: { chunks: 12, damaged: 2 },
      repair: leads ? { copied: 5, underWay: 1, heldUp: 0 } : undefined,
    }),
    loopDelay: { percentile: (n: number) => n * 1e6, max: 5e9 },
  };
  return parts as unknown as Services;
}

/** The rows of the text, comments aside. */
async function rowsOf(metrics: Metrics, of: Services): Promise<Map<string, number>> {
  const text = await metrics.render(of);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

test("what the node's parts say is read at each asking, in base units", async (t) => {
  const rows = await rowsOf(new Metrics(), services(true));
  const wanted: Readonly<Record<string, number>> = {
    'idunno_raft_role{role="leader"}': 1,
    'idunno_raft_role{role="follower"}': 0,
    idunno_raft_term: 3,
    idunno_raft_last_index: 10,
    idunno_raft_commit_index: 9,
    idunno_raft_applied_index: 8,
    idunno_state_durable_index: 6,
    'idunno_raft_peer_lag_entries{peer="n2"}': 3,
    'idunno_members{state="up"}': 1,
    'idunno_members{state="down"}': 1,
    idunno_peers_connected: 1,
    'idunno_jobs{state="paused"}': 1,
    idunno_store_free_bytes: 77,
    idunno_store_full: 0,
    'idunno_scrub_chunks{found="whole"}': 10,
    'idunno_scrub_chunks{found="damaged"}': 2,
    'idunno_repair_copies{state="made"}': 5,
    idunno_slots: 4,
    idunno_slots_busy: 3,
    idunno_queries_queued: 2,
    'idunno_job_queries_run{job="j1"}': 2.25,
    'idunno_models{state="loaded"}': 2,
    'idunno_models{state="notLoaded"}': 1,
    'idunno_event_loop_delay_seconds{quantile="0.99"}': 0.099,
    'idunno_event_loop_delay_seconds{quantile="1"}': 5,
  };
  for (const [row, value] of Object.entries(wanted)) t.is(rows.get(row), value, row);
});

test("what holds no more is not told any more", async (t) => {
  const metrics = new Metrics();
  await rowsOf(metrics, services(true));
  const rows = await rowsOf(metrics, services(false));
  t.false([...rows.keys()].some((row) => row.startsWith("idunno_raft_peer_lag_entries")));
  t.is(rows.get('idunno_raft_role{role="leader"}'), 0);
  t.is(rows.get('idunno_raft_role{role="candidate"}'), 1);
});

test("what was observed is counted, and a proposal is pending until it ends either way", async (t) => {
  const metrics = new Metrics();
  for (let n = 0; n < 3; n += 1) metrics.proposed();
  metrics.committed(0.003);
  metrics.proposalFailed("NOT_LEADER");
  metrics.logWritten(0.0015, 4);
  metrics.logWritten(0.0005, 0);
  metrics.leaderChanged();
  metrics.snapshotSent();
  metrics.snapshotInstalled();
  const rows = await rowsOf(metrics, services(false));
  const wanted: Readonly<Record<string, number>> = {
    idunno_proposals_pending: 1,
    'idunno_commit_seconds_bucket{le="0.002"}': 0,
    'idunno_commit_seconds_bucket{le="0.004"}': 1,
    idunno_commit_seconds_count: 1,
    'idunno_proposals_failed_total{code="NOT_LEADER"}': 1,
    idunno_raft_log_write_seconds_sum: 0.002,
    idunno_raft_log_entries_total: 4,
    idunno_raft_leader_changes_total: 1,
    idunno_snapshots_sent_total: 1,
    idunno_snapshots_installed_total: 1,
  };
  for (const [row, value] of Object.entries(wanted)) t.is(rows.get(row), value, row);
});

test("names are alike in kind: ours, lower case, with the unit last", (t) => {
  t.is(new Set(metricNames).size, metricNames.length);
  for (const name of metricNames) t.regex(name, /^idunno_[a-z]+(_[a-z]+)*$/);
});
