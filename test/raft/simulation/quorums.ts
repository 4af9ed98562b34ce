/** Quorums counted the slow and plain way, to judge the arithmetic of src/raft by. */
import type { NodeId } from "../../../src/lib/types.ts";
import type { Configuration } from "../../../src/raft/types.ts";

export function isQuorum(
  { voters, outgoing }: Configuration,
  has: (node: NodeId) => boolean,
): boolean {
  return [voters, outgoing].every(
    (half) => half.length === 0 || half.filter(has).length * 2 > half.length,
  );
}

const known = new Map<string, boolean>();

/** C3: whether no quorum of the one is disjoint from one of the other; tries every set of nodes. */
export function quorumsOverlap(a: Configuration, b: Configuration): boolean {
  const key = JSON.stringify([a.voters, a.outgoing, b.voters, b.outgoing]);
  const found = known.get(key) ?? tryAll(a, b);
  known.set(key, found);
  return found;
}

function tryAll(a: Configuration, b: Configuration): boolean {
  const nodes = [...new Set([...a.voters, ...a.outgoing, ...b.voters, ...b.outgoing])];
  for (let set = 0; set < 1 << nodes.length; set += 1) {
    const has = (node: NodeId): boolean => ((set >> nodes.indexOf(node)) & 1) === 1;
    if (isQuorum(a, has) && isQuorum(b, (node) => !has(node))) return false;
  }
  return true;
}
