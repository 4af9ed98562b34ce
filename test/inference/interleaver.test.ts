/** Turns of jobs on a node's slots. I1 to I5 are numbered in src/inference/interleaver.ts. */
import test from "ava";
import fc from "fast-check";
import { BRIEF_PER_SLOT, HELD_PER_SLOT } from "../../src/inference/slots.ts";
import { hasCode, IDunnoError } from "../../src/lib/errors.ts";
import { holdsAsync } from "../lib/property.ts";
import { doneWith, finished, namesOf, Node } from "./interleaved-node.ts";

test("a query's result is that of all its inputs, in order, whatever the pieces (I1, I2)", async (t) => {
  const query = fc.record({
    job: fc.nat(3),
    count: fc.nat(40),
    cost: fc.integer({ min: 1, max: 900 }),
  });
  const property = fc.asyncProperty(
    fc.array(query, { minLength: 1, maxLength: 12 }),
    fc.integer({ min: 1, max: 3 }),
    async (list, slots) => {
      const costs = Object.fromEntries(list.map(({ job, cost }) => [`j${job}`, cost]));
      const node = new Node(slots, costs);
      const answers = list.map(({ job, count }, i) => node.submit(`j${job}/${i}/1`, count));
      do {
        const ordinary = node.placed.filter(({ request }) => request.brief !== true);
        t.true(ordinary.length <= slots * HELD_PER_SLOT);
        t.true(node.placed.length <= slots * BRIEF_PER_SLOT);
      } while (await node.step());
      for (const [i, answer] of answers.entries()) {
        const { job, count } = list[i]!;
        const expected = Array.from({ length: count }, (_, at) => `j${job}/${i}/1:${at}`);
        t.deepEqual(namesOf(await answer), expected);
      }
      t.is(node.interleaver.size, 0);
      t.true(node.isEmpty);
    },
  );
  await holdsAsync(t, property, 100);
});

test("jobs of any cost and weight make equal progress, whole queries or not (I3)", async (t) => {
  const property = fc.asyncProperty(
    fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 400 })),
    fc.constantFrom(1, 2, 3),
    fc.constantFrom(1, 8, 32),
    async ([a, b], weight, count) => {
      const node = new Node(1, { ja: a, jb: b });
      const queries = 12;
      for (let n = 0; n < queries; n += 1) void node.submit(`ja/${n}/1`, count);
      for (let n = 0; n < queries; n += 1) void node.submit(`jb/${n}/1`, count, { weight });
      const done = (job: string): number =>
        node.ran.filter((each) => each.job === job).reduce((sum, { inputs }) => sum + inputs, 0) /
        count;
      // The first of `ja` were alone; from then on nobody gains more than what is in hand.
      while (done("jb") < 1) await node.step();
      const lead = done("ja") - done("jb") / weight;
      while (done("ja") < queries - 2 && done("jb") < queries - 2) {
        await node.step();
        // A piece takes 20 ms at least, or a sixteenth of a query.
        const pieces = Math.max(Math.ceil(20 / a), Math.ceil(20 / b), 1) / count + 1 / 16;
        const apart = Math.abs(done("ja") - done("jb") / weight - lead);
        t.true(
          apart <= 3 * Math.max(pieces, 1 / count),
          `${apart} apart, ${a} and ${b} ms, ${count} inputs`,
        );
      }
    },
  );
  await holdsAsync(t, property, 60);
});

test("a cheap job goes on in as small parts as the dear one beside it; alone, two cheap ones do not (I3)", async (t) => {
  /** Of a query in the middle of each job, the inputs of its pieces. */
  const pieces = async (a: number, b: number): Promise<number[][]> => {
    const node = new Node(1, { ja: a, jb: b });
    for (let n = 0; n < 8; n += 1)
      for (const job of ["ja", "jb"]) void node.submit(`${job}/${n}/1`, 8);
    while (await node.step());
    return ["ja/4/1#", "jb/4/1#"].map((query) =>
      node.ran.filter(({ id }) => id.startsWith(query)).map(({ inputs }) => inputs),
    );
  };
  const ones = Array.from({ length: 8 }, () => 1);
  t.deepEqual(await pieces(200, 2), [ones, ones]);
  t.deepEqual(await pieces(10, 2), [
    [4, 4],
    [4, 4],
  ]);
  t.deepEqual(await pieces(2, 2), [[8], [8]]);
});

test("what has been run of each job is told in queries, as their pieces go on", async (t) => {
  const node = new Node(1, { ja: 100, jb: 100 });
  void node.submit("ja/0/1", 8);
  void node.submit("jb/0/1", 8);
  t.deepEqual([...node.interleaver.queriesRun.values()], [0, 0]);
  node.placed[0]?.onProgress(1);
  t.is(node.interleaver.queriesRun.get("ja"), 1 / 8);
  // Told again, and by the end of the piece: once is what counts.
  node.placed[0]?.onProgress(1);
  await node.step();
  t.is(node.interleaver.queriesRun.get("ja"), 1 / 8);
  while (await node.step());
  t.deepEqual([...node.interleaver.queriesRun.values()], [1, 1]);
});

test("who comes back has what it missed, but no more than a query of it (I4)", async (t) => {
  const node = new Node(1, { ja: 100, jb: 100 });
  for (let n = 0; n < 40; n += 1) void node.submit(`ja/${n}/1`, 16);
  void node.submit("jb/0/1", 16);
  while (node.ran.filter(({ job }) => job === "jb").length < 16) await node.step();
  for (let n = 0; n < 64; n += 1) await node.step();
  const from = node.ran.length;
  void node.submit("jb/1/1", 32);
  void node.submit("jb/2/1", 32);
  for (let n = 0; n < 40; n += 1) await node.step();
  const own = node.ran.slice(from).filter(({ job }) => job === "jb");
  // One input a piece: 32 are the query that it is behind, and then two for each of the other job's.
  t.true(own.length >= 35 && own.length <= 38, `${own.length} of 40`);
});

test("who comes while nobody is here is not behind those who were here before (I4)", async (t) => {
  const node = new Node(1, { ja: 100, jb: 100 });
  for (let n = 0; n < 50; n += 1) void node.submit(`ja/${n}/1`, 4);
  while (await node.step());
  const from = node.ran.length;
  for (let n = 0; n < 20; n += 1) void node.submit(`jb/${n}/1`, 32);
  for (let n = 50; n < 70; n += 1) void node.submit(`ja/${n}/1`, 32);
  for (let n = 0; n < 100; n += 1) await node.step();
  const own = node.ran.slice(from).filter(({ job }) => job === "ja");
  t.true(own.length >= 45 && own.length <= 55, `${own.length} of 100`);
});

test("inputs that gave nothing but an error do not say what others cost", async (t) => {
  const node = new Node(1, { ja: 400 });
  void node.submit("ja/0/1", 2);
  for (const { request, resolve } of node.placed.splice(0)) {
    const timings = { waitMs: 0, decodeMs: 0, inferMs: 0, totalMs: 0, spanMs: 0 };
    const outputs = request.inputs.map(() => ({ kind: "error", code: "unreadable" }) as const);
    resolve({ kind: "done", outputs, timings });
  }
  await new Promise((resolve) => setImmediate(resolve));
  void node.submit("ja/1/1", 64);
  t.deepEqual(
    node.placed.map(({ request }) => [request.inputs.length, request.brief]),
    Array.from({ length: HELD_PER_SLOT }, () => [1, false]),
  );
});

test("the first piece that fails is the query's answer, and the others are called back (I5)", async (t) => {
  const node = new Node(2, { ja: 1 });
  const failing = node.submit("ja/0/1", 10);
  t.is(node.placed.length, 4);
  node.placed.shift()?.reject(new IDunnoError("EXECUTOR_FAILED", { why: "so", during: "query" }));
  t.true(hasCode(await t.throwsAsync(failing), "EXECUTOR_FAILED"));
  t.deepEqual(node.cancelled, ["ja/0/1#1", "ja/0/1#2", "ja/0/1#3"]);
  t.is(node.placed.length, 0);
  // A further try: threads may still hold pieces of the first (I6).
  const again = node.submit("ja/0/1", 2);
  t.deepEqual(
    node.placed.map(({ request }) => request.id),
    ["ja/0/1#4", "ja/0/1#5"],
  );
  t.deepEqual(namesOf(await finished(node, again)), ["ja/0/1:0", "ja/0/1:1"]);
});

test("a cancelled query rejects when its pieces have stopped, and is not begun again", async (t) => {
  const node = new Node(1, { ja: 1 });
  const [begun, waiting] = [node.submit("ja/0/1", 10), node.submit("ja/1/1", 10)];
  t.is(node.interleaver.queued, 1);
  node.interleaver.cancel("ja/1/1");
  node.interleaver.cancel("ja/0/1");
  node.interleaver.cancel("unknown");
  for (const answer of [begun, waiting]) t.true(hasCode(await t.throwsAsync(answer), "CLOSED"));
  t.is(node.placed.length, 0);
  t.is(node.interleaver.size, 0);
});

test("a query that is cancelled while its last pieces end is not done with the outputs of some", async (t) => {
  const node = new Node(2, {});
  const answer = t.throwsAsync(node.submit("a/1/1", 2));
  t.is(node.placed.length, 2, "wholly cut");
  const [first, last] = node.placed.splice(0);
  node.interleaver.cancel("a/1/1");
  first?.reject(new IDunnoError("CLOSED", { what: "its piece" }));
  last?.resolve(doneWith(last.request.inputs, 1));
  t.true(hasCode(await answer, "CLOSED"));
});

test("an express query is one piece and waits for no place; time that was spent is gone from the others' time-out", async (t) => {
  const node = new Node(1, { ja: 100, jb: 1 });
  const long = node.submit("ja/0/1", 20);
  t.is(node.placed.length, HELD_PER_SLOT);
  const express = node.submit("jb/0/1", 8, { express: true });
  t.like(node.placed.at(-1)?.request, { id: "jb/0/1#2", express: true });
  t.is(node.placed.at(-1)?.request.inputs.length, 8);
  await node.step();
  await node.step();
  t.like(node.placed.at(-1)?.request, { id: "ja/0/1#3", timeoutMs: 59_800 });
  t.is(namesOf(await finished(node, express)).length, 8);
  t.is(namesOf(await finished(node, long)).length, 20);
});

test("draining ends what has not begun and finishes what has", async (t) => {
  const node = new Node(1, { ja: 100, jb: 100 });
  const [begun, other] = [node.submit("ja/0/1", 20), node.submit("jb/0/1", 20)];
  const rejected = t.throwsAsync(other);
  const drained = node.interleaver.drain(60_000);
  t.true(hasCode(await rejected, "CLOSED"));
  t.is(namesOf(await finished(node, begun)).length, 20);
  await drained;
});

test("a query for arrays is one piece, beside others too, and its file is the query's (I1)", async (t) => {
  const node = new Node(1, { j1: 400, j2: 400 });
  const other = node.submit("j1/0/1", 8);
  const tensorsTo = { path: "/arrays.npz", numbers: [0, 1, 2, 3, 4, 5, 6, 7] };
  const answer = node.submit("j2/0/1", 8, { tensorsTo });
  let whole = 0;
  for (let piece = node.placed[0]; piece !== undefined; piece = node.placed[0]) {
    if (piece.request.id.startsWith("j2")) {
      node.placed.shift();
      whole += 1;
      t.deepEqual(piece.request.tensorsTo, tensorsTo);
      t.is(piece.request.inputs.length, 8);
      const done = doneWith(piece.request.inputs, 3_200);
      if (done.kind !== "done") return t.fail();
      piece.resolve({ ...done, tensors: { path: "/arrays.npz", bytes: 5 } });
      await new Promise((resolve) => setImmediate(resolve));
    } else await node.step();
  }
  t.is(whole, 1);
  t.like(await answer, { kind: "done", tensors: { path: "/arrays.npz", bytes: 5 } });
  t.false("tensors" in (await other));
});

test("alone, a job has more of brief pieces, for some 160 ms of each thread, and they say so (I2)", async (t) => {
  const node = new Node(1, { ja: 3, jb: 12, jc: 1 });
  for (let n = 0; n < 40; n += 1) void node.submit(`ja/${n}/1`, 8);
  t.is(node.placed.length, HELD_PER_SLOT, "nothing is known of what they take");
  t.false(node.placed[0]?.request.brief);
  for (let n = 0; n < 10; n += 1) await node.step();
  t.is(node.placed.length, 6, "of 24 ms each");
  t.true(node.placed.every(({ request }) => request.brief));
  for (let n = 0; n < 10; n += 1) void node.submit(`jc/${n}/1`, 8);
  for (let n = 0; n < 10; n += 1) await node.step();
  t.is(node.placed.length, HELD_PER_SLOT, "while jobs take turns, nothing is cut before its turn");
  t.false(node.placed.some(({ request }) => request.brief));
  while (await node.step());
  for (let n = 0; n < 10; n += 1) void node.submit(`jb/${n}/1`, 8);
  for (let n = 0; n < 5; n += 1) await node.step();
  t.is(node.placed.length, HELD_PER_SLOT, "of 96 ms each");
  t.false(node.placed[0]?.request.brief);
});
