/** The body of a bulk put: the same files however the network cuts it, and nothing of what is no such body. */
import test from "ava";
import fc from "fast-check";
import { bulkBody } from "../../../src/client/bulk.ts";
import { bulkLimits } from "../../../src/lib/api/bulk.ts";
import { bulkFiles } from "../../../src/node/http/bulk-body.ts";

async function* pieces(body: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const to of [...cuts.toSorted((a, b) => a - b), body.length]) {
    yield body.subarray(from, to);
    from = to;
  }
}

async function read(body: string | Uint8Array, cuts: readonly number[] = []): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const file of bulkFiles(pieces(Buffer.from(body), cuts))) found.push(file);
  return found;
}

test("what the client writes is what the node reads, wherever the stream is cut", async (t) => {
  const file = fc.record({
    path: fc.string({ minLength: 1, unit: "grapheme" }),
    content: fc.uint8Array({ maxLength: 50 }),
    ifVersion: fc.option(fc.nat(), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(file), fc.array(fc.nat(400)), async (files, cuts) => {
      const sent = files.map(({ path, content, ifVersion }) => ({
        path,
        bytes: content.length,
        ifVersion,
        read: async () => content,
      }));
      const parts: Uint8Array[] = [];
      for await (const part of bulkBody(sent)) parts.push(part);
      const body = Buffer.concat(parts);
      const got = await read(
        body,
        cuts.filter((cut) => cut <= body.length),
      );
      t.deepEqual(
        got,
        files.map(({ path, content, ifVersion }) => ({
          path,
          bytes: content.length,
          content,
          ...(ifVersion === undefined ? {} : { ifVersion }),
        })),
      );
    }),
  );
});

test("a body that ends within a header or a file is MALFORMED", async (t) => {
  const line = '{"path":"a","bytes":3}\n';
  t.is((await read(`${line}abc`)).length, 1);
  for (const body of [`${line}ab`, line, line.trimEnd(), `${line}abc{`])
    await t.throwsAsync(read(body), { code: "MALFORMED" }, body);
});

test("what is no header is MALFORMED, and none may ask for more memory than a chunk", async (t) => {
  for (const header of [
    "x",
    "[]",
    '{"path":"a"}',
    '{"path":1,"bytes":1}',
    '{"path":"a","bytes":-1}',
    '{"path":"a","bytes":1.5}',
    `{"path":"a","bytes":${bulkLimits.fileBytes + 1}}`,
    '{"path":"a","bytes":0,"more":1}',
  ])
    await t.throwsAsync(read(`${header}\n`), { code: "MALFORMED" }, header);
});

test("headers, files and the body have limits", async (t) => {
  await t.throwsAsync(read("x".repeat(bulkLimits.headerBytes + 1)), { code: "TOO_LARGE" });
  const empty = (n: number): string => `{"path":"${n}","bytes":0}\n`;
  const many = Array.from({ length: bulkLimits.files }, (_, n) => empty(n)).join("");
  t.is((await read(many)).length, bulkLimits.files);
  await t.throwsAsync(read(many + empty(0)), { code: "TOO_LARGE" });
  const size = bulkLimits.fileBytes;
  const header = Buffer.from(`{"path":"a","bytes":${size}}\n`);
  const large = Buffer.concat([header, Buffer.alloc(size)]);
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 100; i += 1) yield large;
  }
  await t.throwsAsync(
    async () => {
      for await (const file of bulkFiles(endless())) t.is(file.bytes, size);
    },
    { code: "TOO_LARGE" },
  );
});

test("a file that changed its size meanwhile is not put", async (t) => {
  const body = bulkBody([{ path: "a", bytes: 2, read: async () => Buffer.from("abc") }]);
  await t.throwsAsync(body.next(), { message: /a: it had 2 bytes and now has 3/ });
});
