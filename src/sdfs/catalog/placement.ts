/**
 * Where a chunk's copies belong: weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights after Schindelhauer
 * and Schomaker 2005). Every store draws a score from its own and the chunk's name, and the best ones have the copies:
 * no table, shares proportional to weights, and a store that comes or goes moves only what it gains or had.
 *
 * L1 No node gets two copies.
 * L2 A failure domain gets its second copy only when every domain has its first, and so on.
 * L3 When a store goes, the copies on the others stay where they are.
 */
import { unitHash } from "../../lib/hash.ts";
import type { ChunkHash, StoreId } from "../../lib/types.ts";

export interface Candidate {
  readonly store: StoreId;
  readonly node: string;
  /** Relative share of chunks, such as free bytes. 0 or less: takes none. */
  readonly weight: number;
  /** Failure domain, such as a rack; a node without one is a domain of its own. */
  readonly domain?: string | undefined;
}

/** The stores that should have a chunk, best first: `copies` of them, or fewer when there are not so many nodes. */
export function place(
  hash: ChunkHash,
  candidates: readonly Candidate[],
  copies: number,
): readonly StoreId[] {
  return placeMore(hash, candidates, { holders: [], more: copies });
}

/** Where further copies belong, best first, when some stores have the chunk already. */
export function placeMore(
  hash: ChunkHash,
  candidates: readonly Candidate[],
  copies: { readonly holders: readonly Candidate[]; readonly more: number },
): readonly StoreId[] {
  const nodes = new Set(copies.holders.map(({ node }) => node));
  const inDomain = new Map<string, number>();
  const count = (candidate: Candidate): number => {
    const domain = domainOf(candidate);
    const before = inDomain.get(domain) ?? 0;
    inDomain.set(domain, before + 1);
    return before;
  };
  for (const holder of copies.holders) count(holder);
  const ranked: { readonly store: StoreId; readonly round: number; readonly place: number }[] = [];
  for (const candidate of byScore(hash, candidates)) {
    if (nodes.has(candidate.node)) continue; // L1
    nodes.add(candidate.node);
    ranked.push({ store: candidate.store, round: count(candidate), place: ranked.length });
  }
  // L2: a candidate's round is how many better copies its domain has.
  ranked.sort((a, b) => a.round - b.round || a.place - b.place);
  return ranked.slice(0, Math.max(0, copies.more)).map(({ store }) => store);
}

/** Best first; by id where scores are equal, which 52 bits make next to impossible. */
function byScore(hash: ChunkHash, candidates: readonly Candidate[]): readonly Candidate[] {
  const scored = candidates
    .filter(({ weight }) => weight > 0)
    .map((candidate) => ({
      candidate,
      // -weight / ln(u): the largest of such scores is each one's with probability weight / sum of weights.
      score: -candidate.weight / Math.log(unitHash(`${hash}/${candidate.store}`)),
    }));
  // unreachable: nobody has found two stores with one score
  scored.sort((a, b) => b.score - a.score || (a.candidate.store < b.candidate.store ? -1 : 1));
  return scored.map(({ candidate }) => candidate);
}

function domainOf({ domain, node }: Candidate): string {
  return domain === undefined ? `node ${node}` : `domain ${domain}`;
}
