/** Models over HTTP: which one a name is answered with, and what is said when there is none. */
import test from "ava";
import type { JobView } from "../../../src/lib/api/jobs.ts";
import type { ModelView } from "../../../src/lib/api/cluster.ts";
import { FileVersion } from "../../../src/lib/types.ts";
import { manifest, register } from "../../machine/fixtures.ts";
import { HttpNode } from "./http-node.ts";

/** A node with three versions of `tiny`, which differ in how many classes a result names. */
async function node(): Promise<HttpNode> {
  const started = await HttpNode.start();
  const file = { path: "models/tiny.onnx", version: FileVersion(1) };
  for (const topK of [3, 4])
    started.replica.must({ kind: "add-model", manifest: { ...manifest, topK }, file });
  await started.put("a/1", "an input");
  return started;
}

const submit = async (at: HttpNode, model: string): Promise<JobView> =>
  at.json<JobView>("POST", "/v1/jobs", { model, inputs: ["a/"] });

test("a model is found by its name, by name and version, and by an alias", async (t) => {
  await using at = await node();
  const view = async (name: string) => at.json<ModelView>("GET", `/v1/models/${name}`);
  t.is((await at.ask("PUT", "/v1/aliases/prod", { body: { model: "tiny@2" } })).status, 200);
  t.is((await at.ask("PUT", "/v1/aliases/latest", { body: { model: "tiny" } })).status, 200);
  t.like(await view("tiny"), { version: 3, aliases: ["latest"] });
  t.like(await view("tiny@1"), { version: 1, aliases: [] });
  t.like(await view("prod"), {
    name: "tiny",
    version: 2,
    aliases: ["prod"],
    manifest: { topK: 3 },
  });
  const list = await at.json<ModelView[]>("GET", "/v1/models");
  t.deepEqual(
    list.map(({ version, aliases }) => [version, aliases]),
    [
      [2, ["prod"]],
      [3, ["latest"]],
    ],
    "what names stand for",
  );
  t.is((await at.ask("DELETE", "/v1/aliases/prod")).status, 200);
  t.is((await at.json<ModelView[]>("GET", "/v1/models")).length, 1);
});

test("a job shows the real name and version, and versions show who uses them", async (t) => {
  await using at = await node();
  await at.ask("PUT", "/v1/aliases/prod", { body: { model: "tiny@2" } });
  t.like(await submit(at, "prod"), { model: "tiny", modelVersion: 2 });
  t.like(await submit(at, "tiny@2"), { model: "tiny", modelVersion: 2 });
  const { id } = await submit(at, "tiny");
  await at.ask("PATCH", `/v1/jobs/${id}`, { body: { state: "cancelled" } });
  const versions = await at.json<ModelView[]>("GET", "/v1/models/tiny/versions");
  t.deepEqual(
    versions.map(({ version, jobs }) => [version, jobs]),
    [
      [1, 0],
      [2, 2],
      [3, 0],
    ],
  );
});

for (const [method, path, body, status, why] of [
  ["GET", "/v1/models/tiny@4", undefined, 404, /no model tiny@4; there are versions 1, 2 and 3/],
  ["GET", "/v1/models/none", undefined, 404, /no model none; see 'idunno model ls'/],
  ["GET", "/v1/models/none/versions", undefined, 404, /no model none/],
  ["GET", "/v1/models/tiny@0", undefined, 422, /give NAME, or NAME@3/],
  ["POST", "/v1/jobs", { model: "tiny@9", inputs: ["a/"] }, 404, /versions 1, 2 and 3/],
  ["POST", "/v1/jobs", { model: "tiny@", inputs: ["a/"] }, 422, /versions begin at 1/],
  ["PUT", "/v1/aliases/prod@1", { model: "tiny" }, 422, /an alias has no versions/],
  ["PUT", "/v1/aliases/Prod", { model: "tiny" }, 422, /no model can have that name/],
  ["PUT", "/v1/aliases/tiny", { model: "tiny" }, 409, /name of a model/],
  ["PUT", "/v1/aliases/prod", {}, 400, /model/],
  ["PATCH", "/v1/models/tiny", {}, 400, /loaded/],
  ["PATCH", "/v1/models/tiny@9", { loaded: true }, 404, /versions 1, 2 and 3/],
  ["DELETE", "/v1/aliases/prod", undefined, 404, /no alias prod/],
] as readonly (readonly [string, string, unknown, number, RegExp])[])
  test(`${method} ${path} with ${JSON.stringify(body) ?? "nothing"} is ${status}`, async (t) => {
    await using at = await node();
    const answer = await at.ask(method, path, { body });
    t.is(answer.status, status, answer.body);
    t.regex(answer.body, why);
  });

test("a model is loaded and unloaded, and every node with slots says what it has", async (t) => {
  await using at = await node();
  const set = async (name: string, loaded: boolean) =>
    at.json<ModelView>("PATCH", `/v1/models/${name}`, { loaded });
  t.like(await set("tiny", false), { version: 3, preloaded: false });
  t.like(await set("tiny@1", true), { version: 1, preloaded: true });
  t.like(await set("tiny", true), { version: 3, preloaded: true });
  const versions = await at.json<ModelView[]>("GET", "/v1/models/tiny/versions");
  t.deepEqual(
    versions.map(({ preloaded, nodes }) => [preloaded, nodes]),
    [
      [true, undefined],
      [false, undefined],
      [true, undefined],
    ],
  );
  at.replica.must(register(2));
  at.replica.must(register(3, { slots: 0 }));
  const nodes = async () => (await at.json<ModelView>("GET", "/v1/models/tiny?loaded=true")).nodes;
  t.like(await nodes(), [
    { node: "n1", state: "loaded" },
    { node: "n2", state: "unknown" },
  ]);
  const asked: unknown[] = [];
  at.askPeer = (...what) => {
    asked.push(what.slice(0, 3));
    return { head: { states: [{ state: "failed", why: "no" }] } };
  };
  at.modelState = { state: "crowdedOut", why: "x".repeat(600) };
  const [here, there] = (await nodes()) ?? [];
  t.is(here?.why?.length, 500);
  t.deepEqual(there, { node: "n2", state: "failed", why: "no" });
  const models = [{ name: "tiny", version: 3 }];
  t.deepEqual(asked, [["n2", "control", { kind: "modelStates", index: at.replica.index, models }]]);
  at.askPeer = () => ({ head: { states: "nonsense" } });
  t.is((await nodes())?.[1]?.state, "unknown");
});

test("a removed model leaves the list; the jobs that go on with it are counted", async (t) => {
  await using at = await node();
  await submit(at, "tiny@2");
  t.deepEqual(await at.json("DELETE", "/v1/models/tiny@2"), { name: "tiny", version: 2, jobs: 1 });
  t.deepEqual(await at.json("DELETE", "/v1/models/tiny?keepFile=true"), { name: "tiny", jobs: 1 });
  t.deepEqual(await at.json("GET", "/v1/models"), []);
  t.is((await at.ask("DELETE", "/v1/models/tiny")).status, 404);
});
