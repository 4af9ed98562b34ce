import { readFile } from "node:fs/promises";
import test from "ava";
import fc from "fast-check";
import { hasCode } from "../../src/lib/errors.ts";
import { toHex } from "../../src/lib/hex.ts";
import { pack } from "../../src/lib/msgpack.ts";
import { decodeCommand, encodeCommand } from "../../src/machine/codec.ts";
import type { Command } from "../../src/machine/commands.ts";
import { damaged, decodesOrIsMalformed } from "../lib/damage.ts";
import { holds } from "../lib/property.ts";
import { command, operations } from "./operations.ts";

/** The value with every object's fields backwards, and without undefined ones. */
function backwards(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(backwards);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.toReversed().map(([name, field]) => [name, backwards(field)]));
}

test("a command is read back as written", (t) => {
  holds(
    t,
    fc.property(command, (given) => {
      t.deepEqual(backwards(decodeCommand(encodeCommand(given))), backwards(given));
    }),
    200,
  );
});

test("equal commands have equal bytes, whatever the order of their fields", (t) => {
  holds(
    t,
    fc.property(command, (given) => {
      const bytes = encodeCommand(given);
      const hex = toHex(bytes);
      t.is(toHex(encodeCommand(backwards(given) as Command)), hex);
      t.is(toHex(encodeCommand(decodeCommand(bytes))), hex);
    }),
    200,
  );
});

test("bytes that are no command are MALFORMED, and never crash the reader", (t) => {
  const op = { kind: "prune-results", job: "j1" };
  const bad: unknown[] = [
    null,
    [],
    {},
    { v: 2, at: 1, operation: op },
    { v: 1, at: -1, operation: op },
    { v: 1, at: 1.5, operation: op },
    { v: 1, at: 1, operation: op, extra: 1 },
    { v: 1, at: 1, operation: { ...op, extra: 1 } },
    { v: 1, at: 1, operation: { kind: "prune-results" } },
    { v: 1, at: 1, operation: { kind: "toString" } },
    { v: 1, at: 1, operation: { kind: "prune-results", job: "../x" } },
  ];
  for (const value of bad) {
    const error = t.throws(() => decodeCommand(pack(value)));
    t.true(hasCode(error, "MALFORMED"), JSON.stringify(value));
  }
  decodesOrIsMalformed(t, command.map(encodeCommand), decodeCommand, 1_000);
});

test("whatever is taken from a peer is written again as the same command", (t) => {
  holds(
    t,
    fc.property(damaged(command.map(encodeCommand)), (bytes) => {
      let found: Command;
      try {
        found = decodeCommand(bytes);
      } catch {
        return; // the property above judges these
      }
      t.deepEqual(backwards(decodeCommand(encodeCommand(found))), backwards(found));
    }),
    500,
  );
});

test("an error names the field that is wrong", (t) => {
  const wrong = { v: 1, at: 1, operation: { kind: "work", complete: [], assign: [{ job: "x" }] } };
  const error = t.throws(() => decodeCommand(pack(wrong)));
  t.true(hasCode(error, "MALFORMED"));
  t.regex(error?.message ?? "", /^command\/work\/assign\/0/);
});

test("nothing is encoded that could not be decoded", (t) => {
  const at = NaN as Command["at"];
  const bad = { v: 1, at, key: undefined, operation: { kind: "remove-file", path: "x" } } as const;
  t.true(
    hasCode(
      t.throws(() => encodeCommand(bad)),
      "MALFORMED",
    ),
  );
});

test("version 1 of every kind is read for ever, and written alike", async (t) => {
  const golden = JSON.parse(await readFile("test/golden/commands-v1.json", "utf8")) as Record<
    string,
    string
  >;
  t.deepEqual(Object.keys(golden).toSorted(), Object.keys(operations).toSorted());
  for (const [kind, hex] of Object.entries(golden)) {
    const given = decodeCommand(new Uint8Array(Buffer.from(hex, "hex")));
    t.is(given.operation.kind, kind as never);
    t.is(Buffer.from(encodeCommand(given)).toString("hex"), hex, kind);
  }
});
