/**
 * How a new node learns which cluster it is to be part of: it asks running ones over HTTP, keeps what they say in its
 * identity, and from then on speaks the peer protocol like everybody else.
 */
import { setTimeout as delay } from "node:timers/promises";
import { ClusterView } from "../lib/api/cluster.ts";
import { IDunnoError } from "../lib/errors.ts";
import { parser } from "../lib/schema.ts";

/** One answer may take this long, in ms. */
const answerMs = 2_000;
/** The nodes given may be starting as well: asked again, one after the other, for so long, in ms. */
const patienceMs = 30_000;
/** Between two rounds of asking, in ms. Arbitrary. */
const againMs = 200;

const parse = parser(ClusterView, "cluster");

/**
 * Asks each of `nodes` (`host:port` of HTTP) until one answers.
 * @throws IDunnoError UNREACHABLE when none has within 30 s
 */
export async function askCluster(nodes: readonly string[]): Promise<ClusterView> {
  const end = performance.now() + patienceMs;
  let cause: unknown;
  do {
    for (const node of nodes) {
      try {
        const response = await fetch(`http://${node}/v1/cluster`, {
          signal: AbortSignal.timeout(answerMs),
        });
        if (response.ok) return parse(await response.json());
        cause = new Error(`${node} answered ${response.status}`);
      } catch (error) {
        cause = error;
      }
    }
    await delay(againMs);
  } while (performance.now() < end);
  throw new IDunnoError("UNREACHABLE", { nodes }, { cause });
}
