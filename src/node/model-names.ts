/** Models as requests name them. */
import { IDunnoError } from "../lib/errors.ts";
import {
  type ModelReference,
  modelReferenceForm,
  parseModelReference,
} from "../lib/model-reference.ts";
import type { ModelRecord } from "../machine/commands.ts";
import { absence, findModel, type ModelViews } from "../machine/models.ts";

/** @throws IDunnoError INVALID when the text cannot name a model */
export function modelNamed(text: string): ModelReference {
  const reference = parseModelReference(text);
  if (reference !== undefined) return reference;
  throw new IDunnoError("INVALID", {
    what: `the model ${text}`,
    why: "no model can have that name",
    remedy: `give ${modelReferenceForm}`,
  });
}

/** The name of an alias, which has no versions. @throws IDunnoError INVALID */
export function aliasNamed(text: string): string {
  const { name, version } = modelNamed(text);
  if (version === undefined) return name;
  throw new IDunnoError("INVALID", {
    what: `the alias ${text}`,
    why: "an alias has no versions",
    remedy: `name it ${name}, and the version in what it stands for`,
  });
}

/** The model that a request names, as this node's state has it. @throws IDunnoError NOT_FOUND */
export function modelIn(views: ModelViews, reference: ModelReference): ModelRecord {
  const found = findModel(views, reference);
  if (found === undefined) throw new IDunnoError("NOT_FOUND", absence(views, reference));
  return found;
}
