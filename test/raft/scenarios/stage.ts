/**
 * The stage on which a scenario plays: real cores, disks, and links on which every message waits until the scenario
 * says what becomes of it. Whatever a node does is told in lines. The rules of src/raft/state.ts that can be seen from
 * outside are asserted at each step, so that a scenario cannot show something that must never be.
 */
import { assert, LogIndex, type NodeId } from "../../../src/lib/types.ts";
import type { Message, RaftEvent, Ready } from "../../../src/raft/types.ts";
import type { Player } from "./player.ts";
import {
  renderAt,
  renderConfiguration,
  renderEntry,
  renderMessage,
  renderRole,
  renderWrite,
} from "./render.ts";

export interface Choice {
  readonly to?: string | undefined;
  readonly from?: string | undefined;
  readonly kind?: string | undefined;
}

export class Stage {
  now = 0;
  readonly players = new Map<string, Player>();
  /** In the order in which they were sent; each directed pair of nodes sees its own in that order. */
  wire: Message[] = [];
  readonly aside = new Map<string, Message[]>();
  /** "a>b" for each link that loses everything. */
  readonly cut = new Set<string>();
  /** Only what became decided is told: roles, configurations, commits, reads. */
  isQuiet = false;
  readonly #lines: string[] = [];
  #indent = "";
  /** While a group settles, messages are told when they arrive, not when they leave. */
  #tellsSends = true;
  readonly #leaders = new Map<number, NodeId>();
  /** Index → what any node has applied there. */
  readonly #committed = new Map<number, string>();

  player(id: string): Player {
    const player = this.players.get(id);
    if (player === undefined) throw new Error(`no node ${id}`);
    return player;
  }

  /** The lines told since the last time. */
  takeLines(): readonly string[] {
    return this.#lines.splice(0);
  }

  say(line: string): void {
    this.#lines.push(this.#indent + line);
  }

  detail(line: string): void {
    if (!this.isQuiet) this.say(line);
  }

  step(player: Player, event: RaftEvent): void {
    player.core.step(event, this.now);
    this.settle(player);
  }

  /** Does what the core wants done, until it wants nothing more. */
  settle(player: Player): void {
    for (;;) {
      const ready = player.core.takeReady();
      this.#tell(player, ready);
      if (ready.persist !== undefined) player.writing.push(ready.persist);
      const sent = ready.messages.filter(({ afterWrite }) => afterWrite <= player.durableWrite);
      player.held.push(...ready.messages.filter((each) => !sent.includes(each)));
      this.#send(sent.map(({ message }) => message));
      this.#apply(player, ready.applyTo);
      if (player.isAsync || ready.persist === undefined) break;
      this.#complete(player);
    }
    this.#tellCommit(player);
  }

  /** The oldest write under way becomes durable. */
  completeWrite(player: Player): void {
    this.#complete(player);
    this.settle(player);
  }

  #complete(player: Player): void {
    const write = player.writing.shift();
    if (write === undefined) throw new Error(`${player.id} writes nothing`);
    player.disk.apply(write);
    player.durableWrite = write.write;
    if (write.install !== undefined) player.applied = write.install.index;
    player.core.step({ kind: "persisted", write: write.write }, this.now);
    const free = player.held.filter(({ afterWrite }) => afterWrite <= write.write);
    player.held = player.held.filter(({ afterWrite }) => afterWrite > write.write);
    this.#send(free.map(({ message }) => message));
  }

  #tell({ id, isAsync }: Player, ready: Ready): void {
    const { role, configuration, persist, reads, fetch } = ready;
    if (role !== undefined) {
      this.say(`${id} ${renderRole(role)}`);
      if (role.kind === "leader") {
        const other = this.#leaders.get(role.term) ?? id;
        assert(other === id, `R2: ${other} and ${id} lead term ${role.term}`);
        this.#leaders.set(role.term, id);
      }
    }
    if (configuration !== undefined) {
      const { index } = configuration;
      this.say(`${id} configuration ${index} ${renderConfiguration(configuration.configuration)}`);
    }
    if (persist !== undefined) {
      const number = isAsync ? ` #${persist.write}` : "";
      this.detail(`${id} writes${number} ${renderWrite(persist)}`);
    }
    for (const read of reads)
      this.say(
        `${id} read ${read.id} ${read.index === undefined ? "refused" : `at ${read.index}`}`,
      );
    if (fetch !== undefined)
      this.say(`${id} wants a snapshot of ${fetch.index} from ${fetch.from}`);
    if (ready.healed) this.say(`${id} is whole again`);
  }

  #tellCommit(player: Player): void {
    const { commitIndex } = player.core;
    if (commitIndex === player.shownCommit && player.applied === player.shownApplied) return;
    const lag = player.applied < commitIndex ? `, applied ${player.applied}` : "";
    this.say(`${player.id} commit ${commitIndex}${lag}`);
    if (commitIndex > player.shownCommit && player.core.role.kind === "leader")
      this.#assertOnQuorum(player.core.configuration, commitIndex, player.core.role.term);
    player.shownCommit = commitIndex;
    player.shownApplied = player.applied;
  }

  /** R3, R4: what a leader commits lies on the disks of a majority of each half. */
  #assertOnQuorum(
    { voters, outgoing }: Player["core"]["configuration"],
    index: number,
    term: number,
  ): void {
    for (const half of [voters, outgoing]) {
      const holders = half.filter((id) => this.players.get(id)?.disk.holds(index, term));
      assert(
        half.length === 0 || holders.length * 2 > half.length,
        `R4: ${index} is durable on ${holders.join(" ")} of ${half.join(" ")} only`,
      );
    }
  }

  #apply(player: Player, to: number): void {
    for (let index = player.applied + 1; index <= to; index += 1) {
      const [entry] = player.core.entries(LogIndex(index), 0);
      if (entry === undefined) return; // part of a snapshot that is being installed
      const text = renderEntry(entry);
      const truth = this.#committed.get(index) ?? text;
      assert(truth === text, `R4: ${player.id} applies ${text}, not ${truth}`);
      this.#committed.set(index, text);
      player.applied = index;
    }
  }

  #send(messages: readonly Message[]): void {
    const groups = new Map<string, string[]>();
    for (const message of messages) {
      const { from, to } = message;
      const isLost = this.cut.has(`${from}>${to}`) || this.players.get(to)?.raft === undefined;
      if (!isLost) this.wire.push(message);
      if (!isLost && !this.#tellsSends) continue;
      const key = `${isLost ? "loses" : "sends"}|${renderMessage(message)}`;
      groups.set(key, [...(groups.get(key) ?? []), to]);
    }
    for (const [key, receivers] of groups) {
      const [verb, text] = key.split("|") as [string, string];
      const isRoutine = verb === "loses" && text.startsWith("heartbeat");
      if (!isRoutine) this.detail(`${messages[0]?.from} ${verb} ${text} > ${receivers.join(" ")}`);
    }
  }

  /** The messages that fit, in the order in which they were sent. */
  chosen({ to, from, kind }: Choice): readonly Message[] {
    return this.wire.filter(
      (each) =>
        (to === undefined || each.to === to) &&
        (from === undefined || each.from === from) &&
        (kind === undefined || each.kind === kind),
    );
  }

  take(messages: readonly Message[]): void {
    this.wire = this.wire.filter((each) => !messages.includes(each));
  }

  deliver(message: Message, tellsSends = true): void {
    this.take([message]);
    const player = this.player(message.to);
    if (player.raft === undefined) return;
    const before = this.#lines.length;
    this.detail(`${message.to} < ${message.from} ${renderMessage(message)}`);
    this.#indent = this.isQuiet ? "" : "  ";
    this.#tellsSends = tellsSends;
    this.step(player, { kind: "message", message });
    this.#tellsSends = true;
    this.#indent = "";
    // The pulse of a group in good order is not worth a line.
    const isRoutine = !tellsSends && message.kind.startsWith("heartbeat");
    if (isRoutine && this.#lines.length === before + 1) this.#lines.length = before;
  }

  /** Delivers everything among these nodes, or only these kinds, until there is nothing more. */
  stabilize(ids: readonly string[], kinds?: readonly string[]): void {
    // Far above any scenario: a group that chatters for ever is a defect of its own.
    for (let rounds = 0; rounds < 1_000; rounds += 1) {
      const among = this.wire.filter(
        ({ from, to, kind }) =>
          ids.includes(from) && ids.includes(to) && (kinds === undefined || kinds.includes(kind)),
      );
      if (among.length === 0) return;
      for (const id of ids)
        for (const message of among.filter(({ to }) => to === id)) this.deliver(message, false);
    }
    throw new Error("the group does not come to rest");
  }

  describe({ id, raft, disk, applied }: Player): string {
    if (raft === undefined) return `${id} down`;
    const { lastIndex, commitIndex, base, role } = raft;
    const last = raft.entries(lastIndex, 0)[0] ?? base;
    const parts = [
      `${id} ${renderRole(role)}`,
      `vote ${disk.hardState.vote ?? "-"}`,
      `last ${renderAt(last)}`,
      `commit ${commitIndex}`,
    ];
    if (base.index > 0) parts.push(`begins after ${renderAt(base)}`);
    if (applied < commitIndex) parts.push(`applied ${applied}`);
    if (raft.isDamaged) parts.push("damaged");
    parts.push(renderConfiguration(raft.configuration));
    return parts.join(", ");
  }
}
