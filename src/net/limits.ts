/**
 * Every number of the network layer in one place, with its unit and its reason. Tests shrink some of them;
 * nothing else should need to.
 */
const MiB = 1024 * 1024;

export interface NetLimits {
  /** Connecting and both hellos together. Above any stall of a loaded loop (270 ms seen), below a lost SYN's second try. */
  readonly handshakeTimeoutMs: number;
  /** Between dials right after a connection closed: a dying listener is gone after one or two of them. */
  readonly redialMs: number;
  /** How long after a close ECONNREFUSED means that the process died (design.md section 9). */
  readonly hintWindowMs: number;
  /** Back-off of all other dials grows to this: what a returning node waits for its peers at most. */
  readonly backoffMaxMs: number;
  /** Between pings on a lane that waits for its peer. Arbitrary; a few hundred of them a second are nothing. */
  readonly pingMs: number;
  /** A raft lane on which the peer says nothing for so long is dialled anew: TCP's own back-off after a cut grows to minutes. */
  readonly raftSilenceMs: number;
  /** The same for lanes with requests: longer, since a peer busy with many bodies reads its pings late. */
  readonly requestSilenceMs: number;
  /** Outgoing bytes a raft lane holds: one largest frame. What is older than that is better sent anew by Raft. */
  readonly raftQueueBytes: number;
  /** Outgoing bytes a request lane holds: sixteen chunks to a peer that reads nothing. */
  readonly requestQueueBytes: number;
  /** Requests of one control lane served at once; beyond, it is not read. Above what a busy gateway has in flight. */
  readonly controlServed: number;
  /** The same for bulk, where each may hold a chunk: 128 MiB a peer at worst. */
  readonly bulkServed: number;
  /** Sockets that have not said hello. Above a cluster's peers dialling all at once; strangers cost little memory each. */
  readonly strangers: number;
  /** `close` lets work under way end for so long, then cuts it off. Above a commit, below an operator's patience. */
  readonly closeGraceMs: number;
}

export const defaultLimits: NetLimits = {
  handshakeTimeoutMs: 1_000,
  redialMs: 15,
  hintWindowMs: 200,
  backoffMaxMs: 500,
  pingMs: 1_000,
  raftSilenceMs: 3_000,
  requestSilenceMs: 10_000,
  raftQueueBytes: 16 * MiB,
  requestQueueBytes: 64 * MiB,
  controlServed: 1_024,
  bulkServed: 32,
  strangers: 512,
  closeGraceMs: 500,
};
