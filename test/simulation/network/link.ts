/**
 * One node's raft lane to a peer: dialled again and again, as net/raft-link.ts does it, with the same limits and the
 * same conclusions. A connection belongs to two processes; nothing of it reaches their next lives.
 */
import type { NodeId } from "../../../src/lib/types.ts";
import { defaultLimits } from "../../../src/net/limits.ts";
import type { SimulatedProcess } from "../process.ts";
import type { Listener, Network } from "./network.ts";

/** How long TCP waits before it sends again what got lost, ms. */
const retransmitMs = 200;

interface Sent {
  readonly payload: unknown;
  readonly sentAt: number;
}

interface Connection {
  readonly peer: Listener;
  readonly boot: string;
  /** When each message on its way arrives at the earliest; the next comes after the last. */
  arrival: number;
  heardAt: number;
}

export class Link {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly #network: Network;
  readonly #self: Listener;
  #up: Connection | undefined;
  #windowEndsAt = Number.NEGATIVE_INFINITY;
  #backoffMs = defaultLimits.redialMs;
  #isClosed = false;

  constructor(network: Network, self: Listener, to: NodeId) {
    this.#network = network;
    this.#self = self;
    this.from = self.id;
    this.to = to;
    network.links.add(this);
    this.#dial();
  }

  get isConnected(): boolean {
    return this.#up !== undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.#up = undefined;
    this.#network.links.delete(this);
  }

  /** The peer lives on under another boot id: a connection to the old process is worth nothing. */
  forget(boot: string): void {
    if (this.#up !== undefined && this.#up.boot !== boot) this.#lost();
  }

  reset(): void {
    if (this.#up === undefined) return;
    this.#network.counts.resets += 1;
    this.#lost();
  }

  /** One of the two ends is gone: the other hears the connection close, unless it is cut off. */
  onProcessGone(process: SimulatedProcess): void {
    if (process === this.#self.process) {
      this.close();
      return;
    }
    const up = this.#up;
    if (up?.peer.process !== process) return;
    if (!this.#network.isOpen(this.from, this.to) || this.#network.off.has(this.to)) return;
    this.#self.process.later(this.#network.delay(this.to, this.from), () => {
      if (this.#up === up) this.#lost();
    });
  }

  /** @returns false when it was dropped here */
  send(payload: unknown): boolean {
    const up = this.#up;
    if (up === undefined) return false;
    const { counts, faults, random, time } = this.#network;
    counts.messages += 1;
    const message = { payload, sentAt: time.now };
    if (faults.manner === "stream") {
      up.arrival = Math.max(up.arrival, time.now + this.#network.delay(this.from, this.to));
      this.#arrive(up, message, up.arrival - time.now);
      return true;
    }
    if (random.chance(faults.loss, 1_000)) {
      counts.lost += 1;
      this.#tell(message, undefined);
    } else this.#arrive(up, message, this.#network.delay(this.from, this.to));
    if (random.chance(faults.duplication, 1_000)) {
      counts.doubled += 1;
      this.#arrive(up, message, random.between(0, faults.lateMs));
    }
    return true;
  }

  #arrive(up: Connection, message: Sent, ms: number): void {
    const { time } = this.#network;
    time.after(ms, () => {
      if (this.#up !== up || !this.#self.process.isAlive) {
        this.#tell(message, undefined);
        return;
      }
      if (!this.#network.isCut(this.from, this.to)) {
        this.#tell(message, time.now);
        up.peer.process.enter(() => up.peer.handlers.message(this.from, message.payload));
      } else if (this.#network.faults.manner === "datagrams") {
        this.#network.counts.lost += 1;
        this.#tell(message, undefined);
      } else {
        // Everything behind it waits as well.
        up.arrival = Math.max(up.arrival, time.now + retransmitMs);
        this.#arrive(up, message, retransmitMs);
      }
    });
  }

  #tell({ payload, sentAt }: Sent, receivedAt: number | undefined): void {
    const { from, to } = this;
    this.#network.onMessage?.({ from, to, sentAt, receivedAt, payload });
  }

  #dial(): void {
    if (this.#isClosed) return;
    const { process } = this.#self;
    const startedAt = process.now();
    const roundTrip =
      this.#network.delay(this.from, this.to) + this.#network.delay(this.to, this.from);
    const answer = this.#network.answer(this.from, this.to);
    switch (answer.kind) {
      case "silence":
        process.later(defaultLimits.handshakeTimeoutMs, () => this.#failed(startedAt, false));
        return;
      case "refused":
        process.later(roundTrip, () => this.#failed(startedAt, true));
        return;
      case "listener":
        this.#greet(answer.listener, startedAt, roundTrip);
    }
  }

  /** A handshake needs the peer's process to run: one that stands still answers when it goes on, if that is in time. */
  #greet(peer: Listener, startedAt: number, roundTrip: number): void {
    const { process } = this.#self;
    const { time } = this.#network;
    const deadline = time.now + defaultLimits.handshakeTimeoutMs;
    let isOver = false;
    const fail = (): void => {
      if (isOver) return;
      isOver = true;
      this.#failed(startedAt, false);
    };
    process.later(defaultLimits.handshakeTimeoutMs, fail);
    time.after(roundTrip / 2, () =>
      peer.process.enter(() => {
        const hello = this.#self.hello(this.to, "raft");
        const answer = peer.hello(this.from, "raft");
        const objection = peer.objection(hello) ?? this.#self.objection(answer);
        if (objection === undefined) peer.learn(hello);
        process.later(roundTrip / 2, () => {
          const isLate = time.now > deadline || isOver;
          if (isLate || this.#isClosed || !this.#network.isOpen(this.from, this.to)) return;
          isOver = true;
          if (objection === undefined && peer.process.isAlive) this.#connected(peer, answer.boot);
          else this.#failed(startedAt, false);
        });
      }),
    );
  }

  #connected(peer: Listener, boot: string): void {
    const { time } = this.#network;
    const up: Connection = { peer, boot, arrival: time.now, heardAt: time.now };
    const hello = peer.hello(this.from, "raft");
    this.#self.learn(hello);
    if (this.#isClosed) return;
    this.#up = up;
    this.#backoffMs = defaultLimits.redialMs;
    this.#self.handlers.connected(this.to, hello);
    this.#ping(up);
  }

  /** A peer that answers no ping for long is dialled anew. */
  #ping(up: Connection): void {
    this.#self.process.later(defaultLimits.pingMs, () => {
      if (this.#up !== up) return;
      const { time } = this.#network;
      const { process } = up.peer;
      if (
        process.isAlive &&
        !process.isPaused &&
        this.#network.isOpen(this.from, this.to) &&
        !this.#network.off.has(this.to)
      )
        up.heardAt = time.now;
      if (time.now - up.heardAt > defaultLimits.raftSilenceMs) this.#lost();
      else this.#ping(up);
    });
  }

  #lost(): void {
    this.#up = undefined;
    this.#windowEndsAt = this.#self.process.now() + defaultLimits.hintWindowMs;
    this.#self.handlers.disconnected(this.to);
    this.#self.process.later(defaultLimits.redialMs, () => this.#dial());
  }

  #failed(startedAt: number, isRefused: boolean): void {
    if (this.#isClosed) return;
    let inWindow = startedAt < this.#windowEndsAt;
    if (isRefused && inWindow) {
      this.#self.handlers.refused(this.to);
      this.#windowEndsAt = Number.NEGATIVE_INFINITY;
      inWindow = false;
    }
    const backoffMs = this.#backoffMs;
    const pauseMs = inWindow
      ? defaultLimits.redialMs
      : this.#network.random.between(backoffMs >> 1, backoffMs);
    if (!inWindow) this.#backoffMs = Math.min(backoffMs * 2, defaultLimits.backoffMaxMs);
    this.#self.process.later(pauseMs, () => this.#dial());
  }
}
