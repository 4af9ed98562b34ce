/**
 * The same network under another name and another hash, so that a cluster that knows the one has never seen the other.
 * What differs is a description at the end of the file: in the protobuf encoding a field that comes once more replaces
 * what it was before, and ONNX's `ModelProto.doc_string` (field 6) means nothing to whoever runs the network.
 */
import { createHash } from "node:crypto";
import type { ModelManifest } from "../src/lib/model-manifest.ts";

export interface ModelBytes {
  readonly manifest: ModelManifest;
  readonly bytes: Uint8Array;
}

/** Field 6, length-delimited. */
const docStringTag = (6 << 3) | 2;
/** Its length is then one byte. */
const mostTextBytes = 127;

/** @param name of the variant: at most 64 characters, as a manifest's name has to be */
export function variantOf({ manifest, bytes }: ModelBytes, name: string): ModelBytes {
  const text = Buffer.from(name);
  if (text.length > mostTextBytes) throw new RangeError(`${name} is too long for a model's name`);
  const changed = Buffer.concat([bytes, Buffer.from([docStringTag, text.length]), text]);
  const sha256 = createHash("sha256").update(changed).digest("hex");
  return { manifest: { ...manifest, name, sha256 }, bytes: changed };
}
