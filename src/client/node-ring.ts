/**
 * Which nodes a client knows and which one it talks to. The one idea: stay with the node that answered last, since
 * its connections are warm, and move on only when it fails.
 */

/** Most nodes a client remembers: far above the few that need to be tried, so that a wrong answer cannot fill memory. */
const maxNodes = 256;

export class NodeRing {
  readonly #nodes: string[];
  #current = 0;

  /** @param nodes `host:port` of HTTP interfaces, best first; at least one */
  constructor(nodes: readonly string[]) {
    this.#nodes = [...new Set(nodes)];
  }

  get nodes(): readonly string[] {
    return this.#nodes;
  }

  /** The node to ask now. */
  get current(): string {
    return this.#nodes[this.#current] ?? "";
  }

  /**
   * Goes on to the next node, unless somebody else already left `failed`: of many requests that fail together only
   * the first may move on, or they would jump over healthy nodes.
   */
  leave(failed: string): void {
    if (this.current === failed) this.#current = (this.#current + 1) % this.#nodes.length;
  }

  /** Remembers further nodes as fall-backs. */
  learn(nodes: readonly string[]): void {
    for (const node of nodes) {
      if (this.#nodes.length >= maxNodes) return;
      if (/^[^\s/]+:\d+$/.test(node) && !this.#nodes.includes(node)) this.#nodes.push(node);
    }
  }
}
