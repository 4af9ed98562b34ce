/** The four formats. */
import { once } from "node:events";
import { PassThrough, Writable } from "node:stream";
import test from "ava";
import { type Column, type Format, Printer } from "../../src/cli/output.ts";
import { ProgressLine } from "../../src/cli/progress.ts";
import { sampleJob, sampleMember } from "../client/fake-cluster.ts";
import { FakeNode } from "../client/fake-node.ts";
import { idunno } from "./world.ts";

interface Row {
  readonly name: string;
  readonly bytes?: number;
}

const rows: readonly Row[] = [{ name: 'a,"b"', bytes: 2048 }, { name: "c\nd" }];
const columns: readonly Column<Row>[] = [
  { name: "name", value: ({ name }) => name },
  { name: "bytes", value: ({ bytes }) => bytes, human: () => "2 KiB" },
];

async function printed(format: Format, body?: unknown): Promise<string> {
  const out = new PassThrough();
  await new Printer(out, format, new AbortController().signal).rows(rows, columns, body);
  out.end();
  return (await out.toArray()).join("");
}

test("tables are for people: aligned, bare, human, and safe for the terminal", async (t) => {
  t.is(await printed("table"), 'NAME   BYTES\na,"b"  2 KiB\nc\\nd   -\n');
});

test("csv is raw and quoted where it must be", async (t) => {
  t.is(await printed("csv"), 'name,bytes\n"a,""b""",2048\n"c\nd",\n');
});

test("json is the body of the answer, ndjson a row in each line", async (t) => {
  t.deepEqual(JSON.parse(await printed("json", { files: rows })), { files: rows });
  const lines = (await printed("ndjson")).trimEnd().split("\n");
  t.deepEqual(
    lines.map((line) => JSON.parse(line) as Row),
    [...rows],
  );
});

async function* each(source: readonly Row[]): AsyncGenerator<Row> {
  yield* source;
}

async function streamed(format: Format, source: AsyncIterable<Row>): Promise<string> {
  const out = new PassThrough({ highWaterMark: 2 ** 24 });
  await new Printer(out, format, new AbortController().signal).stream(source, columns, "files");
  out.end();
  return (await out.toArray()).join("");
}

test("a stream of rows is printed as the list of them would be", async (t) => {
  for (const source of [rows, []])
    for (const format of ["table", "json", "ndjson", "csv"] as const) {
      const out = new PassThrough();
      const printer = new Printer(out, format, new AbortController().signal);
      await printer.rows(source, columns, { files: source });
      out.end();
      t.is(await streamed(format, each(source)), (await out.toArray()).join(""), format);
    }
});

test("a stream is printed while it comes, a table a page at a time under one head", async (t) => {
  for (const format of ["table", "json", "ndjson", "csv"] as const) {
    const out = new PassThrough({ highWaterMark: 2 ** 24 });
    let before = 0;
    async function* source(): AsyncGenerator<Row> {
      for (let n = 0; n < 2_500; n += 1) {
        if (n === 1_500) before = out.readableLength;
        yield { name: n < 1_000 ? `${n}` : `longer ${n}`, bytes: n };
      }
    }
    await new Printer(out, format, new AbortController().signal).stream(source(), columns, "files");
    t.true(before > 5_000, `${format}: printed before the end`);
  }
  const many = Array.from({ length: 2_500 }, (_, n) => ({ name: `${n}`, bytes: 1 }));
  const lines = (await streamed("table", each(many))).trimEnd().split("\n");
  t.is(lines.length, 2_501);
  t.deepEqual(
    lines.filter((line) => line.startsWith("NAME")),
    ["NAME  BYTES"],
  );
  t.is(lines.at(-1), "2499  2 KiB");
});

test("a printer waits for a slow reader", async (t) => {
  const slow = new PassThrough({ highWaterMark: 1 });
  const stop = new AbortController();
  const written = new Printer(slow, "table", stop.signal).line("hello");
  t.is(slow.writableNeedDrain, true);
  await once(slow, "readable");
  t.is(String(slow.read()), "hello\n");
  await written;
  const stuck = new Printer(new PassThrough({ highWaterMark: 1 }), "table", stop.signal).line("x");
  stop.abort(new Error("enough"));
  await t.throwsAsync(stuck);
});

test("progress is for terminals only", (t) => {
  const texts: string[] = [];
  const out = new Writable({
    write: (piece: Buffer, _encoding, done) => {
      texts.push(piece.toString());
      done();
    },
  });
  const quiet = new ProgressLine(out, false);
  quiet.show("1 of 2");
  quiet.clear();
  t.deepEqual(texts, []);
  const shown = new ProgressLine(out, true);
  shown.show("1 of 2");
  shown.clear();
  shown.clear();
  t.deepEqual(texts, ["\r1 of 2\u001B[K", "\r\u001B[K"]);
});

test("-o may stand anywhere, and every listing knows every format", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.jobs.set("j1", sampleJob);
  const env = { IDUNNO_NODE: node.address };
  t.deepEqual(JSON.parse((await idunno(["job", "ls", "-o", "json"], { env })).out), [sampleJob]);
  t.deepEqual(JSON.parse((await idunno(["-o", "ndjson", "job", "ls"], { env })).out), sampleJob);
  const { out } = await idunno(["job", "ls", "-o", "csv"], { env });
  t.is(
    out,
    "job,name,state,model,priority,done,inputs,errors,query rate,elapsed,left\nj1,sample,running,m,0,4,10,1,0.5,61000,\n",
  );
  const table = (await idunno(["job", "ls"], { env })).out;
  t.regex(table, /^JOB +NAME +STATE/);
  t.regex(table, /0\.5\/s +1 m 01 s/);
});

test("status in json is the body, members and all", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.members = [sampleMember("n1", node.address)];
  const env = { IDUNNO_NODE: node.address };
  const { out, code } = await idunno(["status", "-o", "json"], { env });
  t.is(code, 0);
  t.deepEqual((JSON.parse(out) as { members: unknown }).members, node.cluster.members);
  t.regex((await idunno(["status"], { env })).out, /leader: +n1\n[^]*NODE +STATE[^]*rack=r1/);
});
