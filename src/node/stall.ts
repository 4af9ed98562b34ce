/** What a job without progress waits for, asked of those nodes that have its queries in hand. */
import { asIDunnoError } from "../lib/errors.ts";
import type { NodeId } from "../lib/types.ts";
import { takesMore } from "../machine/tables.ts";
import { stallOf } from "../scheduler/stall.ts";
import type { JobRecord } from "../scheduler/types.ts";
import { parseDelay } from "./control.ts";
import type { Services } from "./services.ts";

/** How long a node may take to say so, in ms: whoever looks at a job waits for it. */
const askMs = 1_000;
/** Nodes asked: what keeps one of them back mostly keeps back all. */
const nodesAsked = 8;

type StallServices = Pick<
  Services,
  "coordination" | "delayOf" | "logClock" | "machine" | "peers" | "self"
>;

/** undefined: it makes progress. */
export async function waitingFor(
  job: JobRecord,
  services: StallServices,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { coordination, logClock, machine } = services;
  const slots = [...machine.members.values()]
    .filter(takesMore)
    .reduce((sum, member) => sum + member.slots, 0);
  const stall = stallOf(job, {
    now: logClock.now(),
    jobs: machine.jobs.values(),
    openQueries: machine.openQueries(job.id),
    slots,
  });
  if (stall === undefined) return undefined;
  if (coordination.leader === undefined) return "a leader: none is known here";
  if (stall.kind === "known") return stall.why;
  const nodes = stall.nodes.slice(0, nodesAsked);
  const answers = await Promise.all(nodes.map(async (node) => ask(node, job, services, signal)));
  const said = answers.findIndex((why) => why !== undefined);
  return said < 0 ? `its queries on ${nodes.join(", ")}` : `${nodes[said]}: ${answers[said]}`;
}

/** What keeps the job's queries back there; undefined when nothing does. */
async function ask(
  node: NodeId,
  { id }: JobRecord,
  { peers, self, delayOf }: StallServices,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (node === self) return delayOf(id);
  try {
    const options = { timeoutMs: askMs, signal };
    const { head } = await peers.request(node, "control", { kind: "delay", job: id }, options);
    return parseDelay(head).why;
  } catch (error) {
    signal.throwIfAborted();
    return `it does not say (${asIDunnoError(error).code})`;
  }
}
