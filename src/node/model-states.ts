/** Which nodes have which models loaded: each says so of itself, and whoever is asked asks the others. */
import type { ModelNodeView } from "../lib/api/models.ts";
import { asIDunnoError } from "../lib/errors.ts";
import { LogIndex, type NodeId } from "../lib/types.ts";
import type { ModelRecord } from "../machine/commands.ts";
import { findModel } from "../machine/models.ts";
import { isWorker } from "../machine/tables.ts";
import { type ModelStatesRequest, parseModelStates } from "./control.ts";
import { deadline } from "./deadline.ts";
import type { ModelState } from "./model-preloader.ts";
import type { Services } from "./services.ts";

/** A node that is up answers at once; one that is busy may not, and is then said to be silent. In ms. */
const answerMs = 2_000;
/** Of a reason that goes through the network. */
const whyCharacters = 500;

/** What this node has of each of the models that are asked about, once it knows of them what the asker does. */
export async function statesHere(
  { index, models }: Omit<ModelStatesRequest, "kind">,
  { applier, machine, modelState, runtime }: Services,
  closing: AbortSignal,
): Promise<ModelState[]> {
  using limit = deadline(runtime, "following the log", answerMs, closing);
  await applier.reached(LogIndex(index), limit);
  return models.map((reference) => {
    const model = findModel(machine, reference);
    if (model === undefined) return { state: "unloaded" };
    const { state, why } = modelState(model);
    return why === undefined ? { state } : { state, why: why.slice(0, whyCharacters) };
  });
}

/** What every node that is up and has slots has of each of the models. A node that does not say is `unknown`. */
export async function statesEverywhere(
  models: readonly Pick<ModelRecord, "name" | "version">[],
  services: Services,
  signal: AbortSignal,
): Promise<readonly (readonly ModelNodeView[])[]> {
  const { applier, machine } = services;
  const nodes = [...machine.members.values()].filter(isWorker).map(({ node }) => node);
  const index = applier.appliedIndex;
  const asked = {
    index,
    models: models.map(({ name, version }) => ({ name, version })),
  };
  const answers = await Promise.all(
    nodes
      .toSorted()
      .map(async (node) => ({ node, states: await ask(node, asked, services, signal) })),
  );
  return models.map((_, i) =>
    answers.map(({ node, states }): ModelNodeView => {
      const found =
        typeof states === "string" ? { state: "unknown" as const, why: states } : states[i];
      return { node, ...(found ?? { state: "unknown" }) };
    }),
  );
}

/** The states, or why they are not known. */
async function ask(
  node: NodeId,
  asked: Omit<ModelStatesRequest, "kind">,
  services: Services,
  signal: AbortSignal,
): Promise<readonly ModelState[] | string> {
  const { identity, peers } = services;
  try {
    if (node === identity.node) return await statesHere(asked, services, signal);
    const request: ModelStatesRequest = { kind: "modelStates", ...asked };
    const reply = await peers.request(node, "control", request, { timeoutMs: answerMs, signal });
    return parseModelStates(reply.head).states;
  } catch (error) {
    signal.throwIfAborted();
    return asIDunnoError(error).message;
  }
}
