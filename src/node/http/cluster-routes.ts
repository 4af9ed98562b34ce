/** Status, members and idempotency keys. */
import {
  type ClusterView,
  HandOverBody,
  type LeaderView,
  type StatusView,
} from "../../lib/api/cluster.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { NodeId } from "../../lib/types.ts";
import { parseAddress, peerAddresses } from "../peer-list.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";
import { beforeRead, requestKey, requestSignal } from "./request.ts";
import { memberView } from "./views.ts";

export function clusterRoutes(app: App, services: Services): void {
  const { machine, coordination } = services;

  app.post("/v1/keys", async () => ({ key: coordination.mintKey() }));

  app.get("/v1/status", async () => statusView(services));

  app.get("/v1/cluster", async () => clusterView(services));

  app.post("/v1/leader", { schema: { body: HandOverBody } }, async (request, reply) => {
    const signal = requestSignal(request, reply);
    const { to } = request.body;
    const leader = await coordination.handOver(to === undefined ? undefined : NodeId(to), signal);
    return { leader } satisfies LeaderView;
  });

  app.delete<{ Params: { node: string } }>("/v1/members/:node", async (request, reply) => {
    const signal = requestSignal(request, reply);
    const key = requestKey(request, services);
    const { node } = request.params;
    await coordination.decide({ kind: "remove-member", node: nodeId(node) }, { key, signal });
    await coordination.linearize(signal);
    const member = machine.members.get(NodeId(node));
    if (member === undefined) throw noSuchMember(node);
    return memberView(member, services);
  });

  app.get("/v1/members", async (request, reply) => {
    await beforeRead(request, reply, services);
    return [...machine.members.values()]
      .filter(({ state }) => state !== "left")
      .map((member) => memberView(member, services))
      .toSorted((a, b) => (a.node < b.node ? -1 : 1));
  });
}

/** A path segment as a name, or the answer that nobody has it. */
function nodeId(name: string): NodeId {
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) throw noSuchMember(name);
  return NodeId(name);
}

function noSuchMember(name: string): IDunnoError {
  return new IDunnoError("NOT_FOUND", { kind: "member", name, remedy: "see 'idunno members'" });
}

function clusterView({ identity, machine }: Services): ClusterView {
  const { cluster, generation, founders, node: name } = identity;
  const self = machine.members.get(NodeId(name));
  const own = self === undefined ? undefined : parseAddress(self.peerAddress);
  const members = [...peerAddresses(identity, machine.members)].map(([node, address]) => ({
    name: node,
    ...address,
  }));
  if (own !== undefined) members.push({ name: NodeId(name), ...own });
  return { cluster, generation, founders: [...founders], members };
}

function statusView(services: Services): StatusView {
  const { raft, identity, machine, applier, executor, coordination } = services;
  const states = [...machine.jobs.values()].map(({ status }) => status.kind);
  const running = states.filter((state) => state === "running").length;
  const paused = states.filter((state) => state === "paused").length;
  const { kind, term } = raft.role;
  const view: StatusView = {
    cluster: identity.cluster,
    generation: identity.generation,
    node: identity.node,
    version: services.version,
    role: raft.isDamaged ? "damaged" : kind === "preCandidate" ? "candidate" : kind,
    term,
    commitIndex: raft.commitIndex,
    appliedIndex: applier.appliedIndex,
    lastIndex: raft.lastIndex,
    logTimeMs: services.logClock.now(),
    ready: services.isReady(),
    members: [...machine.members.values()]
      .filter(({ state }) => state !== "left")
      .map((member) => memberView(member, services)),
    jobs: { running, paused, ended: states.length - running - paused },
    executor: { slots: executor.slots, running: executor.running, queued: executor.queued },
    store: storeStatus(services),
    loopDelayMsP99: Math.round(services.loopDelay.percentile(99) / 1e4) / 100,
    residentBytes: process.memoryUsage.rss(),
    uptimeMs: Math.round(process.uptime() * 1000),
  };
  if (coordination.leader !== undefined) view.leader = coordination.leader;
  if (executor.pid !== undefined) view.executor.pid = executor.pid;
  const { repair } = services.upkeep();
  if (repair !== undefined) view.repair = repair;
  return view;
}

function storeStatus({ chunkStore, room, upkeep }: Services): StatusView["store"] {
  const { scrub } = upkeep();
  const view: StatusView["store"] = { id: chunkStore.id, isFull: room.isFull, scrub };
  if (room.freeBytes !== undefined) view.freeBytes = room.freeBytes;
  return view;
}
