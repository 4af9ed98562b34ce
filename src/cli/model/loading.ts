/** Waits until every node has a model loaded, telling of each; a node that cannot load it becomes the exit code. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ModelView } from "../../lib/api/cluster.ts";
import type { ModelNodeView } from "../../lib/api/models.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { modelReferenceText } from "../../lib/model-reference.ts";
import { exitCodes } from "../exit-codes.ts";
import type { Session } from "../session.ts";

/** Between two looks, in ms: a small network is loaded in 200. */
const lookMs = 100;
/** Fetching and opening a large network on a busy machine takes minutes. */
const loadMs = 300_000;

/** The node may still get there by itself. */
const isUnderWay = ({ state }: ModelNodeView): boolean =>
  state === "loading" || state === "unknown";

/**
 * Waits until no node is loading a version any more, for --timeout at most if given. Nodes that come meanwhile are waited
 * for as well.
 * @throws TIMED_OUT naming the nodes that are not there yet
 */
export async function untilLoaded(session: Session, wanted: ModelView): Promise<ModelView> {
  const { client, signal, timeoutMs = loadMs } = session;
  const name = modelReferenceText(wanted);
  const endMs = performance.now() + timeoutMs;
  const told = new Map<string, string>();
  using progress = session.progress();
  for (;;) {
    const view = await client.model(name, { loaded: true, signal });
    const nodes = view.nodes ?? [];
    for (const each of nodes) tell(session, each, told);
    const late = nodes.filter(isUnderWay);
    if (late.length === 0) return judged(session, view);
    progress.show(`loaded on ${loadedOn(view)} of ${nodes.length} nodes`);
    if (performance.now() >= endMs) {
      progress.clear();
      const where = late.map(({ node }) => node).join(", ");
      throw new IDunnoError("TIMED_OUT", {
        what: `loading ${name} on ${where}`,
        afterMs: timeoutMs,
      });
    }
    await sleep(lookMs, undefined, { signal });
    progress.clear();
  }
}

/** Nodes that have a model loaded. */
export function loadedOn({ nodes = [] }: Pick<ModelView, "nodes">): number {
  return nodes.filter(({ state }) => state === "loaded").length;
}

/** Says what has become of a node, once. */
function tell(session: Session, each: ModelNodeView, told: Map<string, string>): void {
  if (isUnderWay(each) || told.get(each.node) === each.state) return;
  told.set(each.node, each.state);
  session.note(stateText(each));
}

/** `n2 cannot load it: it is no ONNX file`, on one line whatever a network says. */
export function stateText({ node, state, why = "" }: ModelNodeView): string {
  const reason = why === "" ? "" : `: ${why.replaceAll(/\s+/g, " ")}`;
  switch (state) {
    case "loaded":
      return `${node} has it loaded`;
    case "loading":
      return `${node} is loading it`;
    case "failed":
      return `${node} cannot load it${reason}`;
    case "crowdedOut":
      return `${node} has no room for it${reason}`;
    case "unloaded":
      return `${node} does not load it: it was unloaded`;
    case "unknown":
      return `${node} does not say${reason}`;
  }
}

function judged(session: Session, view: ModelView): ModelView {
  const all = view.nodes?.length ?? 0;
  if (loadedOn(view) === all) return view;
  session.exitCode = exitCodes.failed;
  session.note(
    `idunno: ${modelReferenceText(view)} is loaded on ${loadedOn(view)} of ${all} nodes; those that failed try again by themselves`,
  );
  return view;
}
