/** Replicated records as the API shows them. */
import type { JobStatisticsView, JobView } from "../../lib/api/jobs.ts";
import type { FileView, LocateView } from "../../lib/api/files.ts";
import type { MemberView } from "../../lib/api/cluster.ts";
import type { LogTime, NodeId } from "../../lib/types.ts";
import type { MemberRecord } from "../../machine/commands.ts";
import { isVoter, members } from "../../raft/quorum.ts";
import type { Configuration } from "../../raft/types.ts";
import { remainingMs, summarise } from "../../scheduler/statistics.ts";
import type { JobRecord } from "../../scheduler/types.ts";
import type { ChunkRecord, VersionRecord } from "../../sdfs/catalog/types.ts";
import { contentDigest } from "../content.ts";
import type { Services } from "../services.ts";

export function memberView(
  member: MemberRecord,
  { raft, coordination, logClock, machine }: Services,
): MemberView {
  const view: MemberView = {
    node: member.node,
    state: member.state === "up" && member.leaving === true ? "leaving" : member.state,
    role: coordination.leader === member.node ? "leader" : roleIn(raft.configuration, member.node),
    peerAddress: member.peerAddress,
    httpAddress: member.httpAddress,
    slots: member.slots,
    incarnation: member.incarnation,
    boot: member.boot,
    store: member.store,
    labels: Object.fromEntries(member.labels),
    sinceMs: Math.max(0, logClock.now() - member.since),
  };
  const room = machine.stores.get(member.store)?.room;
  if (room !== undefined) view.roomBytes = room;
  return view;
}

function roleIn(configuration: Configuration, node: NodeId): "voter" | "learner" | "none" {
  if (isVoter(configuration, node)) return "voter";
  return members(configuration).includes(node) ? "learner" : "none";
}

export function jobView(job: JobRecord, now: LogTime): JobView {
  const { status } = job;
  const view: JobView = {
    id: job.id,
    name: job.name,
    state: status.kind,
    model: job.model.name,
    modelVersion: job.model.version,
    totalInputs: job.totalInputs,
    doneInputs: job.doneInputs,
    errorInputs: job.errorInputs,
    batchSize: job.batchSize,
    weight: job.weight,
    priority: job.priority ?? 0,
    openQueries: job.openQueries,
    doneQueries: job.doneQueries,
    retries: job.retries,
    speculativeAttempts: job.speculativeAttempts ?? 0,
    submittedAtMs: job.submittedAt,
    elapsedMs: Math.max(0, (job.endedAt ?? now) - job.submittedAt),
    statistics: statisticsView(job, now),
  };
  if (job.retryOf !== undefined) view.retryOf = job.retryOf;
  const remaining = status.kind === "running" ? remainingMs(job, now) : undefined;
  if (remaining !== undefined) view.remainingMs = remaining;
  if (status.kind === "failed") view.why = status.why;
  if (status.kind === "done") {
    const { path, version, bytes } = status.results;
    view.results = { path, version, bytes };
  }
  return view;
}

function statisticsView(job: JobRecord, now: LogTime): JobStatisticsView {
  return summarise(job.statistics, { now: job.endedAt ?? now, startedAt: job.startedAt });
}

export function fileView(record: VersionRecord): FileView {
  return {
    path: record.path,
    version: record.version,
    bytes: record.bytes,
    chunks: record.chunks.length,
    copies: record.copies,
    committedAtMs: record.committedAt,
    content: contentDigest(record.chunks),
  };
}

export function locateView(record: VersionRecord, { state, machine }: Services): LocateView {
  const byStore = new Map([...machine.members.values()].map((member) => [member.store, member]));
  return {
    path: record.path,
    version: record.version,
    bytes: record.bytes,
    chunks: record.chunks.map(({ hash, bytes }) => {
      const chunk = state.get(`chunk/${hash}`) as ChunkRecord | undefined;
      return {
        hash,
        bytes,
        replicas: (chunk?.stores ?? []).map((store) => {
          const member = byStore.get(store);
          return { node: member?.node ?? store, state: member?.state ?? "lost" };
        }),
      };
    }),
  };
}
