/** What a put refuses, and when: a bad path before a byte of the content was taken. */
import test from "ava";
import { hasCode } from "../../../src/lib/errors.ts";
import { HttpNode } from "./http-node.ts";

const never = new AbortController().signal;

test("a put of a bad path is refused before its content is read", async (t) => {
  await using node = await HttpNode.start();
  let read = 0;
  async function* content(): AsyncGenerator<Uint8Array> {
    read += 1;
    yield new Uint8Array(10);
  }
  const options = { key: "1-0000000000000001", ifVersion: undefined, signal: never };
  for (const path of ["a/../b", "", "a\nb", "x".repeat(1_025), "\ud800"]) {
    const error = await t.throwsAsync(node.files.put(path, content(), options));
    t.true(hasCode(error, "INVALID"), JSON.stringify(path));
  }
  t.is(read, 0);
  t.is(node.chunks.size, 0);
  t.is(Number((await node.files.put("a/b", content(), options)).version), 1);
  t.is(read, 1);
});

/** As they stand in the request's first line. */
const refused: Readonly<Record<string, { readonly path: string; readonly why: RegExp }>> = {
  "a segment ..": { path: "a/../b", why: /segment \\"\.\.\\"/ },
  "an encoded ..": { path: "a/%2e%2e/b", why: /segment \\"\.\.\\"/ },
  "an encoded slash beside ..": { path: "a%2f..%2fb", why: /segment \\"\.\.\\"/ },
  "two slashes": { path: "a//b", why: /two in a row/ },
  "an encoded line end": { path: "a%0ab", why: /control characters/ },
  "an encoded zero byte": { path: "a%00b", why: /control characters/ },
  "1,025 bytes": { path: "x".repeat(1_025), why: /1025 bytes; use at most 1024/ },
  "1,026 bytes, each encoded": { path: "%e7%8c%ab".repeat(342), why: /1026 bytes/ },
  "10,000 bytes": { path: "x".repeat(10_000), why: /10000 bytes/ },
};

for (const [what, { path, why }] of Object.entries(refused))
  test(`over HTTP a path with ${what} is INVALID, and says why`, async (t) => {
    await using node = await HttpNode.start();
    const { status, body } = await node.put(path, "content");
    t.is(status, 422, body);
    t.regex(body, /"code":"INVALID"/);
    t.regex(body, why);
    t.is(node.chunks.size, 0);
  });

test("over HTTP a path that is no UTF-8, such as half a surrogate pair, is MALFORMED", async (t) => {
  await using node = await HttpNode.start();
  for (const path of ["a%ed%a0%80b", "a%ffb", "a%b", "a%"]) {
    const { status, body } = await node.put(path, "content");
    t.is(status, 400, body);
    t.regex(body, /"code":"MALFORMED"/, path);
    t.regex(body, /percent-encoded UTF-8/, path);
  }
});

test("1,024 bytes and any script are taken, encoded or not", async (t) => {
  await using node = await HttpNode.start();
  for (const path of ["x".repeat(1_024), "%78".repeat(1_024), "a%20b/%e7%8c%ab", "100%25"])
    t.is((await node.put(path, "content")).status, 200, path);
  t.is((await node.ask("GET", "/v1/files/100%25")).body, "content");
});

test("a put may ask for the newest version to be the one that it knows", async (t) => {
  await using node = await HttpNode.start();
  t.is((await node.put("a?ifVersion=0", "one")).status, 200);
  const { status, body } = await node.put("a?ifVersion=0", "two");
  t.is(status, 409);
  t.regex(body, /its newest version is 1, not 0 as required/);
  t.is((await node.put("a?ifVersion=1", "two")).status, 200);
  t.is((await node.ask("GET", "/v1/files/a")).body, "two");
});
