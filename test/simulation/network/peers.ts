/**
 * What a simulated process has in place of net/peers.ts: raft lanes (link.ts), requests that may be lost, answered too
 * late or carried out twice, and the list of boots that says when a peer's process is another one.
 */
import { asIDunnoError, fromWire, IDunnoError } from "../../../src/lib/errors.ts";
import type { NodeId } from "../../../src/lib/types.ts";
import { objection } from "../../../src/net/handshake.ts";
import { defaultLimits } from "../../../src/net/limits.ts";
import type {
  Address,
  Hello,
  PeerHandlers,
  Reply,
  RequestOptions,
} from "../../../src/net/peers.ts";
import type { Peers } from "../../../src/node/ports.ts";
import type { SimulatedProcess } from "../process.ts";
import { Link } from "./link.ts";
import type { Listener, Network } from "./network.ts";

export interface SimulatedPeersOptions {
  readonly id: NodeId;
  readonly process: SimulatedProcess;
  readonly hello: (to: NodeId, lane: Hello["lane"]) => Hello;
  /** A reason to refuse a caller of the right cluster. */
  readonly admit: (hello: Hello) => string | undefined;
  /** Looks at every message that leaves. */
  readonly onSend: (to: NodeId, payload: unknown) => void;
}

const nothing = new Uint8Array(0);

export class SimulatedPeers implements Peers {
  readonly port = 7_000;
  readonly #network: Network;
  readonly #options: SimulatedPeersOptions;
  readonly #listener: Listener;
  readonly #links = new Map<NodeId, Link>();
  readonly #boots = new Map<NodeId, string>();

  constructor(network: Network, options: SimulatedPeersOptions, handlers: PeerHandlers) {
    this.#network = network;
    this.#options = options;
    const { id, process, hello } = options;
    this.#listener = {
      id,
      process,
      handlers,
      hello,
      objection: (theirs) => this.#objection(theirs),
      learn: (theirs) => {
        this.#learn(theirs);
        handlers.called?.(theirs);
      },
    };
    network.listen(this.#listener);
  }

  /** The process has died. */
  silence(): void {
    this.#network.silence(this.#listener);
  }

  setPeers(peers: ReadonlyMap<NodeId, Address>): void {
    if (!this.#options.process.isAlive) return;
    for (const [node, link] of this.#links) {
      if (peers.has(node)) continue;
      link.close();
      this.#links.delete(node);
      this.#boots.delete(node);
    }
    for (const node of peers.keys())
      if (node !== this.#options.id && !this.#links.has(node))
        this.#links.set(node, new Link(this.#network, this.#listener, node));
  }

  isConnected(peer: NodeId): boolean {
    return this.#links.get(peer)?.isConnected ?? false;
  }

  get connected(): number {
    return [...this.#links.values()].filter(({ isConnected }) => isConnected).length;
  }

  send(to: NodeId, payload: unknown): boolean {
    const link = this.#links.get(to);
    if (link === undefined || !link.isConnected) return false;
    this.#options.onSend(to, payload);
    return link.send(payload);
  }

  async request(
    to: NodeId,
    lane: "control" | "bulk",
    head: unknown,
    options: RequestOptions,
  ): Promise<Required<Reply>> {
    if (!this.#links.has(to)) throw new IDunnoError("UNREACHABLE", { nodes: [to] });
    const { timeoutMs, signal } = options;
    const what = `a request to ${to}`;
    return new Promise((resolve, reject) => {
      const abort = (): void =>
        settle(() => reject(new IDunnoError("CLOSED", { what }, { cause: signal?.reason })));
      const timer = this.#options.process.after(timeoutMs, () =>
        settle(() => reject(new IDunnoError("TIMED_OUT", { what, afterMs: timeoutMs }))),
      );
      let isSettled = false;
      const settle = (end: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        timer.cancel();
        signal?.removeEventListener("abort", abort);
        end();
      };
      signal?.addEventListener("abort", abort, { once: true });
      if (signal?.aborted === true) abort();
      else
        // As a socket takes it: whoever sent it may use the buffer again afterwards.
        this.#ask({ to, lane, head, body: options.body?.slice() ?? nothing }, (answer) =>
          settle(() => {
            if (answer instanceof IDunnoError) reject(answer);
            else resolve(answer);
          }),
        );
    });
  }

  /** @param answered called in this process, at most once for each time the request arrived */
  #ask(
    request: {
      readonly to: NodeId;
      readonly lane: "control" | "bulk";
      readonly head: unknown;
      readonly body: Uint8Array;
    },
    answered: (answer: Required<Reply> | IDunnoError) => void,
  ): void {
    const network = this.#network;
    const { id, process } = this.#options;
    const { to, lane, head, body } = request;
    network.counts.requests += 1;
    const unreachable = (): void => answered(new IDunnoError("UNREACHABLE", { nodes: [to] }));
    const answer = network.answer(id, to);
    if (answer.kind === "silence") {
      process.later(defaultLimits.handshakeTimeoutMs, unreachable);
      return;
    }
    if (answer.kind === "refused") {
      process.later(network.delay(id, to), unreachable);
      return;
    }
    const { listener } = answer;
    const why =
      listener.objection(this.#options.hello(to, lane)) ??
      this.#objection(listener.hello(id, lane));
    if (why !== undefined) {
      process.later(network.delay(id, to), unreachable);
      return;
    }
    const ended = network.watch(listener.process, () => {
      // Its connection closes when the process that was asked dies, which is heard of unless the way is cut.
      if (network.isOpen(id, to) && !network.off.has(to))
        process.later(network.delay(to, id), unreachable);
    });
    const carryOut = async (): Promise<void> => {
      let reply: Required<Reply> | IDunnoError;
      try {
        const { head: replyHead, body: replyBody } = await listener.handlers.request(
          id,
          lane,
          head,
          body,
        );
        reply = { head: replyHead, body: replyBody ?? nothing };
      } catch (error) {
        reply = fromWire(asIDunnoError(error).toWire());
      }
      ended();
      if (network.random.chance(network.faults.lostReplies, 1_000)) return;
      network.time.after(network.delay(to, id), () => {
        if (!network.isCut(to, id)) process.enter(() => answered(reply));
      });
    };
    const times = network.random.chance(network.faults.doubledRequests, 1_000) ? 2 : 1;
    for (let i = 0; i < times; i += 1)
      network.time.after(network.delay(id, to) * (i === 0 ? 1 : 20), () => {
        if (network.isCut(id, to)) return;
        if (listener.process.isAlive)
          listener.process.enter(() => void carryOut()); // never fails
        else process.enter(unreachable);
      });
  }

  #objection(theirs: Hello): string | undefined {
    const ours = this.#options.hello(theirs.node, theirs.lane);
    return objection(theirs, ours) ?? this.#options.admit(theirs);
  }

  #learn(hello: Hello): void {
    const { node, boot } = hello;
    const known = this.#boots.get(node);
    if (known === boot || !this.#options.process.isAlive) return;
    this.#boots.set(node, boot);
    if (known === undefined) return;
    this.#links.get(node)?.forget(boot);
    this.#listener.handlers.rebooted(node, hello);
  }
}
