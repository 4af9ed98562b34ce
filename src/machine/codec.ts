/**
 * Commands as bytes, and back. Canonical: equal commands have equal bytes, whatever built them, so entries can be
 * compared and hashed; and nothing gets into the log that a replica could not read, since encoding checks as well.
 */
import { canonical } from "../lib/canonical.ts";
import { IDunnoError } from "../lib/errors.ts";
import { pack, unpack } from "../lib/msgpack.ts";
import { parser } from "../lib/schema.ts";
import type { Command, Operation } from "./commands.ts";
import { commandSchema, operationSchemas } from "./schemas.ts";

interface OperationCodec {
  readonly order: (value: unknown) => unknown;
  readonly parse: (value: unknown) => unknown;
}

/** One validator per kind: it is chosen first, so that errors name the right field and the hot path checks one shape. */
const codecs: ReadonlyMap<string, OperationCodec> = new Map(
  Object.entries(operationSchemas).map(([kind, schema]) => [
    kind,
    { order: canonical(schema), parse: parser(schema, `command/${kind}`) },
  ]),
);
const parseEnvelope = parser(commandSchema, "command");

/**
 * A command's bytes in the log.
 * @throws IDunnoError MALFORMED when the command is not one that {@link decodeCommand} would take
 */
export function encodeCommand(command: Command): Uint8Array {
  const { v, at, key } = command;
  const operation = orderedOperation(command.operation);
  const envelope = key === undefined ? { v, at, operation } : { v, at, key, operation };
  return pack(check(envelope));
}

/**
 * Reads a command from the log or from a peer.
 * @throws IDunnoError MALFORMED naming the first wrong field, or the version or kind that this node does not know
 */
export function decodeCommand(bytes: Uint8Array): Command {
  return check(unpack(bytes, "command"));
}

/** An operation with its fields in the log's order: equal operations then have equal bytes and equal JSON. */
export function orderedOperation(operation: Operation): Operation {
  const { order } = codecOf(operation.kind);
  try {
    return order(operation) as Operation;
  } catch (cause) {
    const details = { path: `command/${operation.kind}`, expected: "the fields of that kind" };
    throw new IDunnoError("MALFORMED", details, { cause });
  }
}

function check(value: unknown): Command {
  const envelope = parseEnvelope(value);
  codecOf(envelope.operation.kind).parse(envelope.operation);
  // The one place where a checked value gets its brands.
  return envelope as unknown as Command;
}

function codecOf(kind: string): OperationCodec {
  const codec = codecs.get(kind);
  if (codec === undefined)
    throw new IDunnoError("MALFORMED", {
      path: "command/operation/kind",
      expected: `a kind of version 1, not ${JSON.stringify(kind)}`,
    });
  return codec;
}
