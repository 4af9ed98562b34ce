/** Versions of models on the command line. */
import test from "ava";
import { untilLoaded } from "../../src/cli/model/loading.ts";
import { ProgressLine } from "../../src/cli/progress.ts";
import type { Session } from "../../src/cli/session.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { FakeNode } from "../client/fake-node.ts";
import { modelView } from "../client/fake-models.ts";
import { idunno, type Outcome } from "./world.ts";

async function at(node: FakeNode, ...argv: string[]): Promise<Outcome> {
  return idunno(argv, { env: { IDUNNO_NODE: node.address } });
}

test("a version is shown and listed, and one that is not there is exit code 4", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.models.set("mine", modelView("mine", { version: 3, jobs: 2 }));
  t.regex((await at(node, "model", "show", "mine@3")).out, /version: +3\n(?:.*\n)*jobs: +2\n/);
  t.regex((await at(node, "model", "versions", "mine", "-o", "csv")).out, /\nmine,3,/);
  t.is((await at(node, "model", "show", "mine@2")).code, 4);
  const bad = await at(node, "model", "show", "mine@0");
  t.is(bad.code, 2);
  t.regex(bad.err, /NAME@3 for a version/);
});

test("a job is submitted and retried with a version as it was written", async (t) => {
  await using node = await FakeNode.start();
  const input = ["--input", "a/", "--no-wait"];
  t.is((await at(node, "job", "submit", "--model", "mine@3", ...input)).code, 0);
  t.is(node.cluster.jobs.get("j1")?.model, "mine@3");
  t.is((await at(node, "job", "retry", "j1", "--model", "mine@2", "--no-wait")).code, 0);
  t.is(node.cluster.jobs.get("j2")?.model, "mine@2");
  t.is((await at(node, "job", "submit", "--model", "mine@x", ...input)).code, 2);
});

test("an alias is given, shown beside its model, and taken back", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.models.set("mine", modelView("mine", { aliases: ["latest", "prod"] }));
  t.regex((await at(node, "model", "alias", "prod", "mine@1")).out, /model: +mine@1\n/);
  t.is(node.cluster.aliases.get("prod"), "mine@1");
  t.regex((await at(node, "model", "ls")).out, /mine +1 +latest prod +1\/1 +2x2/);
  t.is((await at(node, "model", "unalias", "prod")).code, 0);
  t.is(node.cluster.aliases.size, 0);
  t.is((await at(node, "model", "alias", "prod", "mine@")).code, 2);
});

test("a model or one version is removed, and the jobs that go on are told", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.models.set("mine", modelView("mine", { version: 3, jobs: 1 }));
  const removed = await at(node, "model", "rm", "mine@3", "--keep-file");
  t.is(removed.code, 0, removed.err);
  t.regex(removed.out, /removed: +mine@3\n/);
  t.regex(removed.err, /1 unfinished job/);
  t.true(node.asked.includes("DELETE /v1/models/mine@3?keepFile=true"));
  t.is((await at(node, "model", "rm", "mine")).code, 4);
});

const loaded = (node: string) => ({ node, state: "loaded" }) as const;
const loading = (node: string) => ({ node, state: "loading" }) as const;

test("loading waits until every node has it, and tells of each once", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.models.set("mine", modelView("mine", { preloaded: false }));
  node.cluster.looks = [
    [loading("n1"), { node: "n2", state: "unknown", why: "no answer" }],
    [loaded("n1"), loading("n2")],
    [loaded("n1"), loading("n2"), loaded("n3")],
    [loaded("n1"), loaded("n2"), loaded("n3")],
  ];
  const { code, out, err } = await at(node, "model", "load", "mine");
  t.is(code, 0, err);
  t.is(err, "n1 has it loaded\nn3 has it loaded\nn2 has it loaded\n");
  t.regex(out, /loaded: +3\/3\n/);
  t.true(node.cluster.models.get("mine")?.preloaded);
  t.is((await at(node, "model", "unload", "mine")).code, 0);
  t.false(node.cluster.models.get("mine")?.preloaded);
});

test("a node that cannot load it is exit code 1, with the reason, once the others have ended", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.models.set("mine", modelView("mine", { version: 2 }));
  const failed = { node: "n2", state: "failed", why: "it is no\n network" } as const;
  node.cluster.looks = [
    [loading("n1"), failed],
    [loaded("n1"), failed],
  ];
  const { code, out, err } = await at(node, "model", "load", "mine@2");
  t.is(code, 1);
  t.regex(
    err,
    /^n2 cannot load it: it is no network\nn1 has it loaded\n.*mine@2 is loaded on 1 of 2/,
  );
  t.regex(out, /loaded: +1\/2\n/);
  node.cluster.looks = [[{ node: "n1", state: "crowdedOut", why: "it keeps 1" }]];
  t.is((await at(node, "model", "load", "mine")).code, 1);
  t.regex(
    (await at(node, "model", "show", "mine")).out,
    /nodes: +n1 has no room for it: it keeps 1\n/,
  );
});

test("--no-wait asks for loading and does not wait", async (t) => {
  await using node = await FakeNode.start();
  node.cluster.models.set("mine", modelView("mine", { preloaded: false }));
  node.cluster.looks = [[loading("n1")]];
  t.is((await at(node, "model", "load", "mine", "--no-wait")).code, 0);
  t.true(node.cluster.models.get("mine")?.preloaded);
});

test("loading that does not end in time names the nodes that are late", async (t) => {
  const notes: string[] = [];
  const view = modelView("mine", { nodes: [loaded("n1"), loading("n2"), loading("n3")] });
  // It ends after the first look, however slow the machine is.
  const session = {
    client: { model: async () => view },
    signal: new AbortController().signal,
    timeoutMs: 0,
    note: (text: string) => void notes.push(text),
    progress: () => new ProgressLine(process.stderr, false),
  } as unknown as Session;
  const error = await t.throwsAsync(untilLoaded(session, view));
  t.true(hasCode(error, "TIMED_OUT"), String(error));
  t.regex(error?.message ?? "", /^loading mine@1 on n2, n3 did not end/);
  t.deepEqual(notes, ["n1 has it loaded"]);
});
