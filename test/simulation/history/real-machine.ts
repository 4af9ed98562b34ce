/** The real state machine of one node, asked as a node asks it, in place of a model of it: what the models are held against. */
import { fileOutcomes, type Outcome } from "../../../src/lib/outcome.ts";
import type { Command } from "../../../src/machine/commands.ts";
import type { FileRecord, VersionRecord } from "../../../src/sdfs/catalog/types.ts";
import { versionId } from "../../../src/sdfs/catalog/rows.ts";
import { type Replica, chunk, cluster, upload } from "../../machine/fixtures.ts";
import type { FileInput, FileOutput, RegisterInput, RegisterOutput } from "./models.ts";

/** Settings beginning with `x-`. A cas is two looks at one moment: the machine has none. */
export function realSettings(): (key: string, input: RegisterInput) => RegisterOutput {
  const { machine, apply } = asFunctions();
  return (key, input) => {
    const name = `x-${key}`;
    const before = machine.settings.get(name)?.value;
    if (input.kind === "read")
      return before === undefined ? { kind: "not-found" } : { kind: "value", value: before };
    if (input.kind === "cas" && before !== input.from) return { kind: "conflict" };
    const next = input.kind === "write" ? input.value : input.kind === "cas" ? input.to : undefined;
    const outcome = apply({ kind: "set-setting", name, value: next });
    return { kind: outcome.kind === "ok" ? "ok" : "not-found" };
  };
}

/** Files of one chunk each, whose number is the content. */
export function realFiles(): (key: string, input: FileInput) => FileOutput {
  const { row, apply } = asFunctions();
  return (path, input) => {
    if (input.kind === "read") {
      const version = (row(`file/${path}`) as FileRecord | undefined)?.versions.at(-1);
      if (version === undefined) return { kind: "not-found" };
      const record = row(`version/${versionId(path, version)}`) as VersionRecord;
      const [first] = record.chunks;
      return { kind: "found", version, content: String(Number.parseInt(first?.hash ?? "", 16)) };
    }
    const outcome = apply(
      input.kind === "remove"
        ? { kind: "remove-file", path }
        : upload(path, [chunk(Number(input.content), [1])], input.ifVersion),
    );
    if (outcome.kind === "refused")
      return { kind: outcome.code === "CONFLICT" ? "conflict" : "not-found" };
    if (input.kind === "remove") return { kind: "removed" };
    const version = fileOutcomes(outcome.value)[0]?.version;
    return { kind: "stored", version: version ?? 0 };
  };
}

function asFunctions(): Pick<Replica, "machine" | "row"> & {
  readonly apply: (operation: Command["operation"]) => Outcome;
} {
  const replica = cluster(1);
  return {
    machine: replica.machine,
    row: (key) => replica.row(key),
    apply: (operation) => replica.apply(operation).outcome,
  };
}
