/**
 * One node at work: joins consensus, storage, scheduling and inference, and routes what happens to whom it concerns.
 * It owns the parts that live as long as it does and that nothing else needs to open or close by itself.
 */
import type { AssignedQuery } from "../lib/outcome.ts";
import type { Timer } from "../lib/runtime.ts";
import type { ChunkHash, NodeId } from "../lib/types.ts";
import type { RegisterMember } from "../machine/commands.ts";
import type { Hello, Reply } from "../net/peers.ts";
import { decodeMessage } from "../net/raft-codec.ts";
import type { RoleView } from "../raft/types.ts";
import type { Completion } from "../scheduler/types.ts";
import { Collector, defaultCollection } from "./collector.ts";
import type { AssignRequest } from "./control.ts";
import { deadline, sharedAbort } from "./deadline.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Finisher } from "./finisher.ts";
import { Members } from "./members.ts";
import { ModelPreloader } from "./model-preloader.ts";
import { ModelSweeper } from "./model-sweeper.ts";
import { PeerRequests } from "./peer-requests.ts";
import { QuotaCounter } from "./quota-counter.ts";
import { Repairer } from "./repairer.ts";
import { Scrubber } from "./scrubber.ts";
import { ResultsOutbox } from "./results-outbox.ts";
import { makeServices, type NodeIdentity, type NodeParts, type Services } from "./services.ts";
import { isAhead, partingMs, peerAddresses } from "./peer-list.ts";
import { Sweeper } from "./sweeper.ts";
import { Trimmer } from "./trimmer.ts";
import { Voters } from "./voters.ts";
import { Worker } from "./worker.ts";

/** How long a push of assignments may take, in ms; then it is pushed again. */
const pushMs = 2_000;
/** How long a leader may take to commit results, in ms. */
const deliverMs = 5_000;

export class Node {
  readonly services: Services;
  readonly #identity: NodeIdentity;
  readonly #parts: NodeParts;
  readonly #worker: Worker;
  readonly #outbox: ResultsOutbox;
  readonly #dispatcher: Dispatcher;
  readonly #finisher: Finisher;
  readonly #quotas: QuotaCounter;
  readonly #repairer: Repairer;
  readonly #collector: Collector;
  readonly #sweeper: Sweeper;
  readonly #trimmer: Trimmer;
  readonly #scrubber: Scrubber;
  readonly #preloader: ModelPreloader;
  readonly #modelSweeper: ModelSweeper;
  readonly #voters: Voters;
  readonly #requests: PeerRequests;
  readonly #closing = sharedAbort();
  #members: Members | undefined;
  #leads = false;
  /** The member list when the peers were last set. */
  #memberChanges = -1;
  #parting: Timer | undefined;

  constructor(identity: NodeIdentity, parts: NodeParts) {
    this.#identity = identity;
    this.#parts = parts;
    const { peers, runtime, log } = parts;
    const { self, boot } = identity;
    this.services = makeServices(identity, parts, {
      onRole: (role) => this.#onRole(role),
      onConfiguration: ({ index, configuration }) =>
        parts.log.info("configuration", { index, ...configuration }),
      onMutations: (mutations) => {
        this.#sweeper.applied(mutations);
        this.services.room.applied(mutations);
      },
      modelState: (model) => this.#preloader.stateOf(model),
      isRegistered: () => this.#members?.isRegistered === true,
      delayOf: (job) => this.#worker.delayOf(job),
      upkeep: () => ({
        scrub: this.#scrubber.progress,
        repair: this.#leads ? this.#repairer.progress : undefined,
      }),
    });
    const { coordination, applier } = this.services;
    const shared = { ...this.services, self, boot, peers };
    this.#worker = new Worker({
      ...shared,
      finished: (completion) => this.#outbox.add(completion),
    });
    this.#outbox = new ResultsOutbox({
      leader: () => coordination.leader,
      deliver: async (leader, completions, signal) => this.#deliver(leader, completions, signal),
      delivered: (completions) => {
        for (const completion of completions) this.#worker.forget(completion);
      },
      runtime,
      log,
    });
    this.#dispatcher = new Dispatcher({
      ...shared,
      push: (node, queries) => this.#push(node, queries),
    });
    this.#finisher = new Finisher(shared);
    this.#quotas = new QuotaCounter(shared);
    const times = parts.collection ?? defaultCollection;
    this.#repairer = new Repairer(times, { ...shared, store: parts.chunkStore });
    this.#collector = new Collector(times, shared);
    this.#trimmer = new Trimmer(times, shared);
    this.#sweeper = new Sweeper(times, {
      ...shared,
      store: parts.chunkStore,
      reportLost: async (lost) => this.#repairer.reportLost(lost),
    });
    this.#scrubber = new Scrubber({
      ...shared,
      store: parts.chunkStore,
      reportLost: async (lost) => this.#repairer.reportLost(lost),
    });
    this.#voters = new Voters({
      ...shared,
      repairer: this.#repairer,
      votersAtFirst: parts.votersAtFirst,
    });
    this.#preloader = new ModelPreloader(shared);
    this.#modelSweeper = new ModelSweeper(shared);
    this.#requests = new PeerRequests(this.#closing.signal, {
      services: this.services,
      worker: this.#worker,
      dispatcher: this.#dispatcher,
    });
    applier.onApplied(() => this.#onApplied());
  }

  start(registration: RegisterMember): void {
    const { onFatal } = this.#parts;
    this.#members = new Members({ ...this.services, self: registration, onFatal });
    this.services.driver.start();
    this.#members.start();
    this.#voters.start();
    this.#repairer.start();
    this.#collector.start();
    this.#sweeper.start();
    this.#trimmer.start();
    this.#scrubber.start();
    this.services.room.start();
    this.#preloader.nudge();
    void this.#reconcile(); // its failures are logged there
  }

  // --- what happens -------------------------------------------------------------------------------------------------

  onMessage(from: NodeId, payload: unknown): void {
    this.services.driver.receive(decodeMessage(from, this.#identity.self, payload));
  }

  onConnected(peer: NodeId, boot: string): void {
    this.#members?.connected(peer, boot);
  }

  onDisconnected(peer: NodeId): void {
    this.services.driver.unreachable(peer);
  }

  onRefused(peer: NodeId): void {
    this.#parts.log.info("peer-died", { peer });
    this.services.driver.peerDied(peer);
    this.#members?.refused(peer);
  }

  /** Somebody new has called. One that is in the list has registered where he is, unless the list is behind. */
  onCalled(hello: Hello): void {
    const { machine, identity } = this.services;
    const member = machine.members.get(hello.node);
    if (member !== undefined && !isAhead(hello, member)) return;
    const known = peerAddresses(identity, machine.members).get(hello.node);
    if (known !== undefined && hello.address === `${known.host}:${known.port}`) return;
    this.#parts.log.info("caller-unlisted", { peer: hello.node, address: hello.address });
    this.#setPeers();
  }

  onRebooted(peer: NodeId): void {
    this.#parts.log.info("peer-rebooted", { peer });
    this.services.driver.peerDied(peer);
  }

  onDamage(hash: ChunkHash): void {
    this.#parts.log.error("chunk-damaged", { hash });
    this.#repairer.reportLost([hash]).catch((error: unknown) => {
      this.#parts.log.warn("damage-not-reported", { hash, error: String(error) });
    });
  }

  #onRole(role: RoleView): void {
    this.#parts.log.info("role", { ...role });
    this.services.coordination.onRole(role);
    const leads = role.kind === "leader";
    if (this.#leads && !leads) {
      this.#dispatcher.resign();
      this.services.logClock.settle(this.services.machine.logTime);
    }
    this.#leads = false;
    this.#members?.onLeadership(leads);
    this.#outbox.onLeaderChange();
  }

  /** State moved on; on a new leader the first time says that everything acknowledged is here. */
  #onApplied(): void {
    this.#worker.onApplied();
    this.#followMembers();
    this.#preloader.nudge();
    this.#modelSweeper.nudge();
    if (!this.services.driver.isReadyLeader) return;
    if (!this.#leads) {
      this.#leads = true;
      this.services.logClock.lead();
      this.#members?.sweep();
      this.#dispatcher.takeOver();
    }
    this.#dispatcher.nudge();
    this.#finisher.nudge();
    this.#quotas.nudge();
  }

  /** The member list says whom to dial, and whether this node is still part of it. */
  #followMembers(): void {
    const { machine, identity, log } = this.services;
    const { self } = this.#identity;
    if (machine.memberChanges === this.#memberChanges) return;
    this.#memberChanges = machine.memberChanges;
    this.#parts.callers.forget(machine.members.values());
    this.#members?.sweep();
    this.#setPeers();
    // Again when whoever has left has had time to hear of it.
    this.#parting?.cancel();
    this.#parting = this.#parts.runtime.after(2 * partingMs, () => this.#setPeers());
    const member = machine.members.get(self);
    if (member?.state !== "left" || member.incarnation !== identity.incarnation) return;
    log.warn("removed", { member: self });
    this.#parts.onRemoved();
  }

  #setPeers(): void {
    const { machine, identity, logClock } = this.services;
    const { peers, callers } = this.#parts;
    const now = logClock.now();
    peers.setPeers(peerAddresses(identity, machine.members, callers.all, now));
  }

  async #reconcile(): Promise<void> {
    const { signal } = this.#closing;
    const { runtime } = this.#parts;
    try {
      using limit = deadline(runtime, "the first look at the catalog", 60_000, signal);
      await this.services.coordination.linearize(limit);
      await this.#sweeper.takeInventory();
    } catch (error) {
      if (!signal.aborted) this.#parts.log.warn("inventory-unchecked", { error: String(error) });
    }
  }

  async onRequest(from: NodeId, head: unknown, body: Uint8Array): Promise<Reply> {
    return this.#requests.serve(from, head, body);
  }

  // --- what we ask of peers -----------------------------------------------------------------------------------------

  async #push(node: NodeId, queries: readonly AssignedQuery[]): Promise<void> {
    if (node === this.#identity.self) {
      this.#worker.assign(queries);
      return;
    }
    const request: AssignRequest = { kind: "assign", queries: [...queries] };
    const options = { timeoutMs: pushMs, signal: this.#closing.signal };
    await this.#parts.peers.request(node, "control", request, options);
  }

  async #deliver(
    leader: NodeId,
    completions: readonly Completion[],
    signal: AbortSignal,
  ): Promise<void> {
    if (leader === this.#identity.self) {
      await this.#dispatcher.complete(completions);
      return;
    }
    const request = {
      kind: "complete",
      completions: completions.map((each) => ({ ...each, outputs: [...each.outputs] })),
    };
    await this.#parts.peers.request(leader, "control", request, { timeoutMs: deliverMs, signal });
  }

  /** Before it stops, a leader lets another one lead, so that nobody has to notice. */
  async #resign(): Promise<void> {
    const { driver } = this.services;
    if (driver.role.kind !== "leader") return;
    try {
      await driver.handOver();
      this.#parts.log.info("handed-over");
    } catch (error) {
      // A lone voter, or nobody well enough: the others will notice.
      this.#parts.log.info("not-handed-over", { why: String(error) });
    }
  }

  async close(): Promise<void> {
    await this.#resign();
    this.#parting?.cancel();
    this.#closing.abort();
    this.#worker.close();
    await Promise.all([
      this.#members?.close(),
      this.#voters.close(),
      this.#outbox.close(),
      this.#dispatcher.close(),
      this.#finisher.close(),
      this.#quotas.close(),
      this.#repairer.close(),
      this.#collector.close(),
      this.#sweeper.close(),
      this.#trimmer.close(),
      this.#scrubber.close(),
      this.services.room.close(),
      this.#preloader.close(),
      this.#modelSweeper.close(),
    ]);
    // First the write under way, which may be installing what the next line would close.
    await this.services.driver.stop();
    await this.services.snapshots.close();
    await this.services.applier.stop();
  }
}
