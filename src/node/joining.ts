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
  let last: Asked;
  do {
    last = await ask(nodes);
    if (last.answer !== undefined) return last.answer;
    await delay(againMs);
  } while (performance.now() < end);
  throw new IDunnoError("UNREACHABLE", { nodes }, { cause: last.cause });
}

/** Asks each of `nodes` once; undefined: none answers. */
export async function askOnce(nodes: readonly string[]): Promise<ClusterView | undefined> {
  return (await ask(nodes)).answer;
}

interface Asked {
  readonly answer?: ClusterView;
  readonly cause?: unknown;
}

/** The answer of the newest generation: a survivor of an older one may still run. */
async function ask(nodes: readonly string[]): Promise<Asked> {
  let cause: unknown;
  let answer: ClusterView | undefined;
  for (const node of nodes) {
    try {
      const signal = AbortSignal.timeout(answerMs);
      const response = await fetch(`http://${node}/v1/cluster`, { signal });
      if (!response.ok) throw new Error(`${node} answered ${response.status}`);
      const view = parse(await response.json());
      if (answer === undefined || view.generation > answer.generation) answer = view;
    } catch (error) {
      cause = error;
    }
  }
  return answer === undefined ? { cause } : { answer };
}
