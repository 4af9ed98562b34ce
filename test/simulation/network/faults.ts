/** What a network may do to what is sent over it. Chances are in a thousand, times in ms. */
export interface NetworkFaults {
  /** A message takes at least and at most so long. */
  readonly delayMs: readonly [least: number, most: number];
  /** One in fifty takes so much longer. */
  readonly strayMs: number;
  /**
   * `stream`: as over TCP, in order, whole until the connection breaks. `datagrams`: each raft message on its own may be
   * lost, doubled and overtaken, which is more than TCP does and no more than Raft must bear.
   */
  readonly manner: "stream" | "datagrams";
  readonly loss: number;
  readonly duplication: number;
  /** A doubled message's copy comes up to so much later. */
  readonly lateMs: number;
  /** A request whose answer is lost, or that arrives twice. */
  readonly lostReplies: number;
  readonly doubledRequests: number;
}

export const calmNetwork: NetworkFaults = {
  delayMs: [0.1, 0.5],
  strayMs: 0,
  manner: "stream",
  loss: 0,
  duplication: 0,
  lateMs: 0,
  lostReplies: 0,
  doubledRequests: 0,
};
