/** What callers of the client may say: once for all requests, and with each of them. */

export interface ClientOptions {
  /** `host:port` of the nodes' HTTP interfaces; any of them will do, further ones are learnt from their answers. */
  readonly nodes: readonly string[];
  /** How long a request may take with all its tries; for bodies, how long they may stand still. Default 10,000. */
  readonly timeoutMs?: number;
  /** Gives up sooner when every node has refused the connection for so long. Default: `timeoutMs`. */
  readonly patienceMs?: number;
  /** Reads answer from what the node asked has, without asking the leader. Default false. */
  readonly stale?: boolean;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ModelOptions extends CallOptions {
  /** Also ask each node what it has loaded; one that does not answer takes two seconds. Default: not. */
  readonly loaded?: true | undefined;
}

/** Which rows of a listing, and how many: 1,000 at most. `after` is the `next` of the page before. */
export interface PageQuery {
  readonly prefix?: string;
  readonly after?: string | undefined;
  readonly limit?: number;
}

export interface MutationOptions extends CallOptions {
  /** To go on with a mutation that another client or process began. Default: a fresh key. */
  readonly idempotencyKey?: string;
}
