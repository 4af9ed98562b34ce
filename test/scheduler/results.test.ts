import test from "ava";
import fc from "fast-check";
import { pack } from "../../src/lib/msgpack.ts";
import {
  completionBytes,
  inputErrors,
  isPackedOutput,
  resultLine,
} from "../../src/scheduler/results.ts";
import { completion } from "../machine/fixtures.ts";
import { JobId } from "../../src/lib/types.ts";
import { holds } from "../lib/property.ts";

const labels = ["Drawing", "Neutral"];

test("a line has the input, then the best classes with scores of at most six decimals", (t) => {
  const output = [1, 912_345, 0, 500_000, 7, 1_000_000, 1, 0];
  t.is(
    resultLine('a "b".jpg', output, labels),
    '{"input":"a \\"b\\".jpg","top":[{"label":"Neutral","score":0.912345},' +
      '{"label":"Drawing","score":0.5},{"label":"7","score":1},{"label":"Neutral","score":0}]}',
  );
});

test("a line of an error has its text from the fixed table", (t) => {
  t.is(
    resultLine("x", "unreadable", labels),
    '{"input":"x","error":"unreadable","message":"the file is not an image that can be decoded"}',
  );
  t.is(
    resultLine("x", "of_tomorrow", labels),
    '{"input":"x","error":"of_tomorrow","message":"unknown error"}',
  );
  const codes = ["unreadable", "too_large", "unsupported", "wrong_output", "killed_executor"];
  const ofArrays = [
    "not_an_array",
    "unsupported_array",
    "wrong_type",
    "wrong_shape",
    "missing_array",
  ];
  t.deepEqual(Object.keys(inputErrors), [...codes, "timed_out", "missing", ...ofArrays]);
});

test("a line rewritten by a JSON tool is the same line, and the score the same number", (t) => {
  const millionths = fc.oneof(
    fc.integer({ min: 0, max: 1_000_000 }),
    fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }),
  );
  holds(
    t,
    fc.property(fc.string({ unit: "binary" }), millionths, fc.nat(3), (input, score, label) => {
      const line = resultLine(input, [label, score], labels);
      const parsed: unknown = JSON.parse(line);
      t.is(JSON.stringify(parsed), line);
      t.like(parsed, { input, top: [{ score: score / 1e6 }] });
    }),
    200,
  );
});

test("an output is taken only when its classes are the model's and its error is in the table", (t) => {
  t.true(isPackedOutput([4, 1, 0, -5], 5));
  t.true(isPackedOutput("timed_out", 5));
  for (const bad of [[], [1], [5, 1], [-1, 1], [0.5, 1], [1, 0.5], [1, NaN], [1, 1e15]])
    t.false(isPackedOutput(bad, 5), JSON.stringify(bad));
  t.false(
    isPackedOutput(
      Array.from({ length: 202 }, () => 1),
      5,
    ),
  );
  for (const bad of ["", "toString", "other"]) t.false(isPackedOutput(bad, 5));
});

test("a completion is never larger in the log than it is taken for", (t) => {
  const score = fc.tuple(fc.nat(999), fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }));
  const output = fc.oneof(
    fc.array(score, { minLength: 1, maxLength: 100 }).map((pairs) => pairs.flat()),
    fc.constantFrom(...Object.keys(inputErrors)),
  );
  holds(
    t,
    fc.property(fc.array(output, { maxLength: 20 }), (outputs) => {
      const given = completion(JobId("j9007199254740991"), 2 ** 53 - 1, outputs, {
        attempt: 2 ** 53 - 1,
        elapsedMs: 2 ** 53 - 1,
      });
      t.true(pack({ outputs }).length <= completionBytes({ outputs }));
      t.true(pack(given).length <= completionBytes(given));
    }),
    200,
  );
});
