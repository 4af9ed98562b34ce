/** The search against the definition, against histories that are right by construction, and in what it tells. */
import test from "ava";
import fc from "fast-check";
import { Random } from "../../../src/lib/random.ts";
import { holds } from "../../lib/property.ts";
import { isLinearizableByForce } from "./brute-force.ts";
import { generate } from "./generate.ts";
import {
  type FileOperation,
  type RegisterOperation,
  type Span,
  cas,
  found,
  missing,
  put,
  read,
  remove,
  unset,
  write,
} from "./histories.ts";
import { checkLinearizable } from "./linearizability.ts";
import { type FileInput, type RegisterInput, fileModel, register } from "./models.ts";
import type { Model, Operation } from "./operation.ts";
import { realFiles, realSettings } from "./real-machine.ts";

const maxStates = 100_000;
const clients = 10;

/** Short spans in short time: much overlap and many equal times. One in five is never answered. */
const span: fc.Arbitrary<Span> = fc
  .tuple(fc.nat(8), fc.nat(6), fc.nat(4))
  .map(([call, lasts, answer]): Span => (answer === 0 ? [call] : [call, call + lasts]));

const value = fc.constantFrom("a", "b", "c");

const settingOperation: fc.Arbitrary<RegisterOperation> = fc.oneof(
  fc.tuple(value, span).map(([v, s]) => write(v, s)),
  fc.tuple(fc.option(value, { nil: undefined }), span).map(([v, s]) => read(v, s)),
  fc.tuple(fc.constantFrom("ok" as const, "not-found" as const), span).map(([k, s]) => unset(k, s)),
  fc
    .tuple(value, value, fc.constantFrom("ok" as const, "conflict" as const), span)
    .map(([from, to, kind, s]) => cas(from, to, kind, s)),
);

const fileOperation: fc.Arbitrary<FileOperation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        value,
        fc.constantFrom(1, 2, 3, "conflict" as const, "not-found" as const),
        span,
        fc.option(fc.nat(2), { nil: undefined }),
      )
      .map(([content, answer, s, ifVersion]) => put(content, answer, s, ifVersion)),
  },
  fc
    .tuple(fc.constantFrom("removed" as const, "not-found" as const), span)
    .map(([k, s]) => remove(k, s)),
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.option(value, { nil: undefined }), span)
    .map(([version, content, s]) => found(version, content, s)),
  span.map((s) => missing(s)),
);

function agrees<S, I, O>(model: Model<S, I, O>, history: readonly Operation<I, O>[]): boolean {
  const { kind } = checkLinearizable(model, history, { maxStates });
  return kind === (isLinearizableByForce(model, history) ? "linearizable" : "violation");
}

test("the search agrees with the definition on small histories of a setting", (t) => {
  const history = fc.array(settingOperation, { minLength: 1, maxLength: 5 });
  holds(
    t,
    fc.property(history, (each) => agrees(register, each)),
    2_000,
  );
});

test("the search agrees with the definition on small histories of a file", (t) => {
  const history = fc.array(fileOperation, { minLength: 1, maxLength: 5 });
  holds(
    t,
    fc.property(history, (each) => agrees(fileModel, each)),
    2_000,
  );
});

/** Contents are chunk numbers; those below 10 are the fixture's own. */
const firstContent = 10;

function drawSetting(random: Random, n: number): RegisterInput {
  if (random.chance(1, 2)) return { kind: "read" };
  if (random.chance(1, 8)) return { kind: "remove" };
  return { kind: "write", value: String(n) };
}

function drawFile(random: Random, n: number): FileInput {
  if (random.chance(1, 2)) return { kind: "read" };
  if (random.chance(1, 8)) return { kind: "remove" };
  const ifVersion = random.chance(1, 4) ? random.between(0, n) : undefined;
  return { kind: "put", content: String(n + firstContent), ifVersion };
}

interface Size {
  readonly operations: number;
  readonly keys: readonly string[];
  readonly openPercent: number;
}

const settingsOf = (seed: number, size: Size): RegisterOperation[] =>
  generate({ ...size, random: new Random(seed), clients, draw: drawSetting }, realSettings());

const filesOf = (seed: number, size: Size): FileOperation[] =>
  generate({ ...size, random: new Random(seed), clients, draw: drawFile }, realFiles());

const small: Size = { operations: 60, keys: ["p", "q"], openPercent: 15 };

test("what the real state machine answers is linearizable, however it overlaps", (t) => {
  const fine = fc.property(fc.integer(), (seed) => {
    const settings = checkLinearizable(register, settingsOf(seed, small), { maxStates });
    t.is(settings.kind, "linearizable", `settings of seed ${seed}`);
    const files = checkLinearizable(fileModel, filesOf(seed, small), { maxStates });
    t.is(files.kind, "linearizable", `files of seed ${seed}`);
  });
  holds(t, fine, 200);
});

test("a value that nobody wrote is always noticed", (t) => {
  const noticed = fc.property(fc.integer(), fc.nat(), (seed, pick) => {
    const settings = settingsOf(seed, small);
    const read1 = nth(settings, pick, ({ output }) => output?.kind === "value");
    const wrong = { ...read1, output: { kind: "value", value: "never" } } as const;
    t.is(verdict(register, replaced(settings, read1, wrong)), "violation");
    const files = filesOf(seed, small);
    const read2 = nth(files, pick, ({ output }) => output?.kind === "found");
    const other = { ...read2, output: { kind: "found", version: 1, content: "never" } } as const;
    t.is(verdict(fileModel, replaced(files, read2, other)), "violation");
  });
  holds(t, noticed, 200);
});

function verdict<S, I, O>(model: Model<S, I, O>, history: readonly Operation<I, O>[]): string {
  return checkLinearizable(model, history, { maxStates }).kind;
}

function nth<T>(items: readonly T[], n: number, wanted: (item: T) => boolean): T {
  const some = items.filter(wanted);
  fc.pre(some.length > 0);
  return some[n % some.length] as T;
}

function replaced<T>(items: readonly T[], item: T, by: T): readonly T[] {
  return items.map((each) => (each === item ? by : each));
}

test("hundreds of operations of ten clients on one key need few states, right or wrong", (t) => {
  const large: Size = { operations: 400, keys: ["p"], openPercent: 10 };
  for (let seed = 1; seed <= 3; seed += 1) {
    const settings = settingsOf(seed, large);
    t.is(verdict(register, settings), "linearizable", `settings of seed ${seed}`);
    const reads = settings.filter(({ output }) => output?.kind === "value");
    const [early, late] = [reads[2], reads.at(-2)];
    const stale = settings.map((each) =>
      each === late ? { ...each, output: early?.output } : each,
    );
    t.is(verdict(register, stale), "violation", `stale read of seed ${seed}`);
    t.is(verdict(fileModel, filesOf(seed, large)), "linearizable", `files of seed ${seed}`);
  }
});

test("a violation names the key, the longest order and what could not follow", (t) => {
  const first = write("a", [0, 1], "y");
  const lost = write("b", [2], "y");
  const stale = read("z", [4, 5], "y");
  const after = read("a", [8, 9], "y");
  const history = [after, stale, write("q", [0, 1], "x"), lost, first];
  t.deepEqual(checkLinearizable(register, history, { maxStates }), {
    kind: "violation",
    key: "y",
    longest: [first],
    stuck: [stale],
  });
});

test("a search that grows too large is given up, and a violation elsewhere still found", (t) => {
  const many = Array.from({ length: 12 }, (_, n) => write(String(n), [0, 9], "x"));
  const hard = [...many, read("none", [20, 21], "x")];
  const options = { maxStates: 50 };
  t.deepEqual(checkLinearizable(register, hard, options), { kind: "undecided", key: "x" });
  const wrong = [...hard, read("never", [0, 1], "y")];
  t.like(checkLinearizable(register, wrong, options), { kind: "violation", key: "y" });
});

test("the verdict does not depend on the order of the list", (t) => {
  const history = settingsOf(7, small);
  t.is(verdict(register, history.toReversed()), verdict(register, history));
});
