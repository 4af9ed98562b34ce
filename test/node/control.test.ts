/** What workers tell leaders arrives as it was said. */
import test from "ava";
import { hasCode } from "../../src/lib/errors.ts";
import { pack, unpack } from "../../src/lib/msgpack.ts";
import { parseRequest } from "../../src/node/control.ts";
import { hashOf } from "../machine/fixtures.ts";

const completion = { job: "j1", query: 0, attempt: 1, node: "n1", elapsedMs: 5 };
const chunk = { hash: hashOf(7), bytes: 9, replicas: [{ store: "s-1", index: 4 }] };

function sent(more: Record<string, unknown>): unknown {
  const request = { kind: "complete", completions: [{ ...completion, ...more }] };
  return unpack(pack(request), "a request");
}

test("results of every kind come through: classes below zero, errors, rows of arrays", (t) => {
  for (const more of [
    { outputs: [[3, -1_500_000, 2, -2_000_000], "unreadable"] },
    { outputs: [[], "not_an_array", []], tensors: { bytes: 9, chunks: [chunk] } },
    { outputs: [], failed: "hung" },
  ])
    t.deepEqual<unknown, unknown>(parseRequest(sent(more)), sent(more));
});

test("a result with more chunks than arrays may have is refused before it is looked at", (t) => {
  const chunks = Array.from({ length: 33 }, () => chunk);
  const error = t.throws(() =>
    parseRequest(sent({ outputs: [[]], tensors: { bytes: 9, chunks } })),
  );
  t.true(hasCode(error, "MALFORMED"), String(error));
});
