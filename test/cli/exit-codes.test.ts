/** What the shell is told for each error, whoever reports it. */
import test from "ava";
import { exitCodeOf } from "../../src/cli/exit-codes.ts";
import type { ErrorCode, ErrorDetails } from "../../src/lib/errors.ts";
import { deadAddress, FakeNode, refusal } from "../client/fake-node.ts";
import { idunno } from "./world.ts";

/** One of each, and what design section 10 promises for it. */
const errors: { readonly [C in ErrorCode]: readonly [number, ErrorDetails[C]] } = {
  MALFORMED: [1, { path: "a", expected: "b" }],
  USAGE: [2, { message: "a" }],
  INVALID: [2, { what: "a", why: "b", remedy: "c" }],
  NOT_LEADER: [3, { leader: "n2" }],
  NO_LEADER: [3, { waitedMs: 1 }],
  UNREACHABLE: [3, { nodes: ["a:1"] }],
  TIMED_OUT: [124, { what: "a", afterMs: 1 }],
  CLOSED: [3, { what: "a" }],
  TOO_LARGE: [1, { what: "a", size: 2, limit: 1 }],
  BUSY: [3, { what: "a", limit: 1 }],
  NOT_FOUND: [4, { kind: "job", name: "j9", remedy: "check it" }],
  CONFLICT: [5, { what: "a", why: "b" }],
  KEY_EXPIRED: [5, { key: "k" }],
  KEY_REUSED: [5, { key: "k" }],
  STALE_CATALOG: [5, { index: 1, floor: 2 }],
  TOO_FEW_COPIES: [3, { path: "a", have: 1, need: 4 }],
  CHUNK_UNAVAILABLE: [6, { hash: "ab", tried: [] }],
  BAD_MODEL: [1, { model: "m", why: "b" }],
  DIRECTORY_IN_USE: [5, { directory: "d" }],
  PORT_IN_USE: [5, { address: "a:1" }],
  WRONG_DIRECTORY: [5, { directory: "d", why: "b" }],
  CORRUPT: [6, { file: "f", at: "0", remedy: "c" }],
  HANDSHAKE_REFUSED: [1, { peer: "p", why: "b" }],
  STORAGE_FAILED: [6, { what: "a" }],
  NO_SPACE: [3, { node: "a" }],
  QUOTA_EXCEEDED: [1, { prefix: "a/", unit: "files", wanted: 2, limit: 1 }],
  EXECUTOR_FAILED: [1, { why: "b", during: "query" }],
  JOB_FAILED: [1, { job: "j1", why: "b" }],
  INTERNAL: [1, { message: "a" }],
};
const codes = Object.keys(errors) as ErrorCode[];

/** These have another node tried, until the time is over. */
const retried: ReadonlySet<ErrorCode> = new Set(["NO_LEADER", "NOT_LEADER", "BUSY", "CLOSED"]);

test("every error code has the promised exit code", (t) => {
  for (const code of codes) t.is(exitCodeOf[code], errors[code][0] as never, code);
  t.deepEqual(Object.keys(exitCodeOf).sort(), [...codes].sort());
});

test("an error from a node is one line on standard error, and its exit code", async (t) => {
  await using node = await FakeNode.start();
  for (const code of codes.filter((each) => !retried.has(each))) {
    const [expected, details] = errors[code];
    node.faults.push(refusal(400, code, details));
    const { code: exitCode, out, err } = await idunno(["job", "ls", "--node", node.address]);
    t.is(exitCode, expected, code);
    t.is(out, "");
    t.regex(err, new RegExp(`^idunno: [^\\n]+ \\[${code}\\]\\n$`));
  }
});

test("nobody there is 3, no such job is 4 and tells where the right ones are", async (t) => {
  await using node = await FakeNode.start();
  t.is((await idunno(["job", "ls", "--node", await deadAddress()])).code, 3);
  const { code, err } = await idunno(["job", "status", "j9", "--node", node.address]);
  t.is(code, 4);
  t.regex(err, /no job j9.*see 'idunno job ls'/);
});

test("a command line that makes no sense is 2, in one line", async (t) => {
  for (const argv of [
    ["jbo"],
    ["job", "ls", "--colour"],
    ["job", "submit", "--model", "m"],
    ["job", "status", "42"],
    ["job", "ls", "-o", "yaml"],
    ["job", "set", "j1"],
    ["sdfs", "put", "only-one"],
    ["sdfs", "get", "a@0", "b"],
    ["job", "ls", "--node", "nonsense"],
  ]) {
    const { code, out, err } = await idunno(argv);
    t.is(code, 2, argv.join(" "));
    t.is(out, "");
    t.regex(err, /^idunno: [^\n]+ \[USAGE\]\n$/, argv.join(" "));
  }
  t.is((await idunno(["job", "ls"], { env: { IDUNNO_NODE: "nonsense" } })).code, 2);
});

test("a typing error is met with a suggestion", async (t) => {
  t.regex((await idunno(["jobs"])).err, /Did you mean job\?/);
});

test("help and version are data, and no error", async (t) => {
  for (const argv of [["--help"], ["job", "submit", "--help"], ["--version"]]) {
    const { code, out, err } = await idunno(argv);
    t.is(code, 0);
    t.not(out, "");
    t.is(err, "");
  }
});

test("a stack is shown only when asked for", async (t) => {
  await using node = await FakeNode.start();
  const argv = ["job", "status", "j9", "--node", node.address];
  t.regex((await idunno(argv, { env: { IDUNNO_DEBUG: "1" } })).err, /\n +at /);
  t.notRegex((await idunno(argv)).err, /\n +at /);
});
