/** Nodes that have a stalled job's queries in hand are asked what keeps them. */
import test from "ava";
import { IDunnoError } from "../../src/lib/errors.ts";
import { type JobId, LogTime, type NodeId } from "../../src/lib/types.ts";
import { waitingFor } from "../../src/node/stall.ts";
import { assign, cluster, nodeName, submit, work } from "../machine/fixtures.ts";

const never = new AbortController().signal;

/** A stalled job that nodes 2 and 3 have in hand, looked at on node 1. */
async function look(
  answers: Readonly<Record<string, unknown>>,
  leader: NodeId | "nobody" = nodeName(1),
): Promise<string | undefined> {
  const replica = cluster(3);
  const { machine } = replica;
  const id: JobId = submit(replica, { totalInputs: 100 });
  replica.must(work([], [assign(id, 2), assign(id, 3)]));
  replica.at += 30_000;
  const job = machine.jobs.get(id);
  if (job === undefined) throw new Error("no such job");
  const services = {
    coordination: { leader: leader === "nobody" ? undefined : leader },
    machine,
    logClock: { now: () => LogTime(replica.at) },
    self: nodeName(1),
    delayOf: () => undefined,
    peers: {
      request: async (node: NodeId) => {
        const answer = answers[node];
        if (answer instanceof Error) throw answer;
        return { head: answer ?? {}, body: new Uint8Array() };
      },
    },
  };
  return waitingFor(job, services as unknown as Parameters<typeof waitingFor>[1], never);
}

test("what a node says keeps its queries is told with its name", async (t) => {
  const why = "BAD_MODEL: model tiny cannot be used";
  t.is(await look({ n3: { why } }), `n3: ${why}`);
  t.is(await look({ n2: { why }, n3: { why } }), `n2: ${why}`);
});

test("where nothing keeps them, the nodes that run them are named", async (t) => {
  t.is(await look({}), "its queries on n2, n3");
});

test("a node that does not answer is told of, and so is a lost leader", async (t) => {
  const silent = new IDunnoError("TIMED_OUT", { what: "n2", afterMs: 1_000 });
  t.is(await look({ n2: silent }), "n2: it does not say (TIMED_OUT)");
  t.is(await look({}, "nobody"), "a leader: none is known here");
});
