/** How a model is named wherever one is asked for: `NAME`, or `NAME@3` for a version. */

export interface ModelReference {
  /** Of a model, or an alias. */
  readonly name: string;
  /** undefined: what the name stands for. */
  readonly version?: number | undefined;
}

/** Characters of the longest one: a name of 64, and a version of 9 digits. */
export const modelReferenceLength = 74;
/** What {@link parseModelReference} takes, for sentences. */
export const modelReferenceForm = "NAME, or NAME@3 for a version; versions begin at 1";

/** undefined when the text cannot name any model. */
export function parseModelReference(text: string): ModelReference | undefined {
  const [, name, version] = /^([a-z0-9][a-z0-9._-]{0,63})(?:@([1-9][0-9]{0,8}))?$/.exec(text) ?? [];
  if (name === undefined) return undefined;
  return version === undefined ? { name } : { name, version: Number(version) };
}

/** Where `model add` puts a network in SDFS. */
export function modelPath(name: string): string {
  return `models/${name}/model.onnx`;
}

export function modelReferenceText({ name, version }: ModelReference): string {
  return version === undefined ? name : `${name}@${version}`;
}
