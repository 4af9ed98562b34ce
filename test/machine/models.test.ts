/** Names of networks as a replica applies them. V1 to V3 are numbered in src/machine/models.ts. */
import test from "ava";
import type { Outcome } from "../../src/lib/outcome.ts";
import { FileVersion, type JobId } from "../../src/lib/types.ts";
import { type ModelReference, modelReferenceText } from "../../src/lib/model-reference.ts";
import { preloaded } from "../../src/machine/models.ts";
import { checkInvariants } from "./invariants.ts";
import {
  chunk,
  cluster,
  hashOf,
  manifest,
  type Replica,
  submission,
  submit,
  upload,
} from "./fixtures.ts";

const path = "models/tiny.onnx";

/** Another network under the name, in a file version of its own. */
function addVersion(replica: Replica, n: number, name = "tiny"): void {
  replica.must(upload(path, [chunk(100 + n, [1], replica.index)]));
  const { last } = replica.row(`file/${path}`) as { readonly last: number };
  const sha256 = String(n).padStart(64, "0");
  const file = { path, version: FileVersion(last) };
  replica.must({ kind: "add-model", manifest: { ...manifest, name, sha256 }, file });
}

const jobOf = (replica: Replica, id: JobId) => replica.machine.jobs.get(id)!;
const refusal = (outcome: Outcome): string =>
  outcome.kind === "refused" ? `${outcome.code} ${JSON.stringify(outcome.details)}` : "ok";

test("a job runs the newest version, or the one that it names (V2)", (t) => {
  const replica = cluster(1);
  addVersion(replica, 2);
  addVersion(replica, 3);
  const versionOf = (modelVersion?: number) =>
    jobOf(replica, submit(replica, { modelVersion })).model.version;
  t.deepEqual([undefined, 1, 2, 3].map(versionOf), [3, 1, 2, 3]);
  const { model } = jobOf(replica, submit(replica, { modelVersion: 2 }));
  t.is(model.manifest.sha256, "2".padStart(64, "0"));
  t.is(model.file.chunks[0]?.hash, hashOf(102));
  checkInvariants(replica);
});

test("a version that a name does not have is answered with those that it has", (t) => {
  const replica = cluster(1);
  const why = (more: Parameters<typeof submission>[0]) =>
    refusal(replica.apply(submission(more)).outcome);
  t.regex(why({ modelVersion: 2 }), /^NOT_FOUND .*"tiny@2".*there is version 1"/);
  t.regex(why({ model: "none", modelVersion: 2 }), /^NOT_FOUND .*"none@2".*model ls/);
  for (let n = 2; n <= 12; n += 1) addVersion(replica, n);
  t.regex(why({ modelVersion: 13 }), /versions 3, 4, .*, 11 and 12, and 2 older"/);
});

test("the file of an older version is kept when it is outnumbered and collected (V3)", (t) => {
  const replica = cluster(1);
  for (let n = 2; n <= 8; n += 1) addVersion(replica, n);
  replica.must({ kind: "remove-file", path, purge: true });
  const ids = [...replica.table("removed")].map(([key]) => key.slice("removed/".length));
  t.true(ids.length >= 8);
  replica.must({ kind: "collect-versions", ids });
  t.is([...replica.table("removed")].length, ids.length, "every one is pinned");
  t.is(jobOf(replica, submit(replica, { modelVersion: 1 })).model.version, 1);
  checkInvariants(replica);
});

test("versions of all names count for the limit", (t) => {
  const replica = cluster(1);
  const file = { path, version: FileVersion(1) };
  const add = (topK: number) =>
    replica.apply({ kind: "add-model", manifest: { ...manifest, topK }, file }).outcome.kind;
  for (let n = 1; n < 1_000; n += 1) t.is(add(2 - (n % 2)), "ok");
  t.is(add(3), "refused");
});

test("an alias stands for the newest version or for one, at the moment of submission (V2)", (t) => {
  const replica = cluster(1);
  addVersion(replica, 2);
  const submitted = (model: string, modelVersion?: number) =>
    jobOf(replica, submit(replica, { model, modelVersion }));
  replica.must({ kind: "set-alias", alias: "prod", model: "tiny", version: 1 });
  replica.must({ kind: "set-alias", alias: "latest", model: "tiny" });
  const before = submitted("latest");
  t.like(before.model, { name: "tiny", version: 2 });
  t.like(submitted("prod").model, { name: "tiny", version: 1 });
  addVersion(replica, 3);
  replica.must({ kind: "set-alias", alias: "prod", model: "tiny", version: 2 });
  t.is(submitted("latest").model.version, 3);
  t.is(submitted("prod").model.version, 2);
  t.is(jobOf(replica, before.id).model.version, 2);
  replica.must({ kind: "set-alias", alias: "prod" });
  t.regex(refusal(replica.apply(submission({ model: "prod" })).outcome), /^NOT_FOUND/);
  const why = refusal(replica.apply(submission({ model: "latest", modelVersion: 1 })).outcome);
  t.regex(why, /^NOT_FOUND .*latest is an alias of tiny: name that one/);
  checkInvariants(replica);
});

test("a name is a model's or an alias's, and an alias leads to a model that is there (V4, V5)", (t) => {
  const replica = cluster(1);
  const set = (alias: string, model?: string, version?: number) =>
    refusal(replica.apply({ kind: "set-alias", alias, model, version }).outcome);
  t.is(set("prod", "tiny"), "ok");
  t.is(set("prod", "tiny", 1), "ok", "given anew");
  t.regex(set("tiny", "tiny"), /^CONFLICT .*name of a model/);
  t.regex(set("other", "prod"), /^INVALID .*prod is an alias of tiny@1/);
  t.regex(set("prod", "prod"), /^INVALID/);
  t.regex(set("other", "tiny", 2), /^NOT_FOUND .*there is version 1"/);
  t.regex(set("other", "none"), /^NOT_FOUND .*model add/);
  t.regex(set("none"), /^NOT_FOUND .*"alias"/);
  const file = { path, version: FileVersion(1) };
  const added = replica.apply({
    kind: "add-model",
    manifest: { ...manifest, name: "prod" },
    file,
  });
  t.regex(refusal(added.outcome), /^CONFLICT .*prod is an alias of tiny@1/);
  t.is(set("prod"), "ok");
  for (let n = 0; n < 1_000; n += 1) t.is(set(`alias${n}`, "tiny"), "ok");
  t.regex(set("more", "tiny"), /^TOO_LARGE .*"limit":1000/);
  t.is(set("alias7", "tiny", 1), "ok");
  checkInvariants(replica);
});

const remove = (replica: Replica, version?: number, keepFile?: true) =>
  refusal(replica.apply({ kind: "remove-model", name: "tiny", version, keepFile }).outcome);
const versionsOf = (replica: Replica): number[] =>
  [...replica.machine.models.values(), ...replica.machine.olderModels.values()]
    .map(({ version }) => version)
    .toSorted((a, b) => a - b);

test("a version is removed, and its number is never given again (V1)", (t) => {
  const replica = cluster(1);
  for (const n of [2, 3, 4]) addVersion(replica, n);
  t.is(remove(replica, 2), "ok");
  t.deepEqual(versionsOf(replica), [1, 3, 4]);
  t.is(replica.machine.models.get("tiny")?.version, 4);
  t.regex(remove(replica, 2), /^NOT_FOUND .*"tiny@2".*versions 1, 3 and 4/);
  t.is(remove(replica, 4), "ok");
  t.is(replica.machine.models.get("tiny")?.version, 3, "the next newest takes its place");
  t.is(remove(replica, 3), "ok");
  checkInvariants(replica);
  addVersion(replica, 5);
  t.deepEqual(versionsOf(replica), [1, 5]);
  t.is(remove(replica), "ok");
  t.deepEqual(versionsOf(replica), []);
  t.regex(remove(replica), /^NOT_FOUND .*model add/);
  addVersion(replica.restarted(), 6);
  addVersion(replica, 6);
  t.deepEqual(versionsOf(replica), [6]);
  checkInvariants(replica);
});

test("a removal that would leave an alias of nothing is refused, with the alias (V5)", (t) => {
  const replica = cluster(1);
  addVersion(replica, 2);
  replica.must({ kind: "set-alias", alias: "latest", model: "tiny" });
  replica.must({ kind: "set-alias", alias: "prod", model: "tiny", version: 1 });
  t.regex(remove(replica), /^CONFLICT .*latest, prod would stand for nothing/);
  t.regex(remove(replica, 1), /^CONFLICT .*tiny@1.*prod would/);
  t.is(remove(replica, 2), "ok", "the newest is then another one");
  t.is(jobOf(replica, submit(replica, { model: "latest" })).model.version, 1);
  replica.must({ kind: "set-alias", alias: "prod" });
  t.regex(remove(replica, 1), /^CONFLICT .*latest would/);
  const why = refusal(replica.apply({ kind: "remove-model", name: "latest" }).outcome);
  t.regex(why, /^NOT_FOUND .*latest is an alias of tiny/);
  checkInvariants(replica);
});

/** Moves log time past what can be restored, and collects what may be. */
function collect(replica: Replica): number {
  replica.at += 3_600_001;
  const ids = [...replica.table("removed")].map(([key]) => key.slice("removed/".length));
  replica.must({ kind: "collect-versions", ids });
  return ids.length - [...replica.table("removed")].length;
}

test("a removed model is there for the jobs that run it until they end, and is then collected (V2)", (t) => {
  const replica = cluster(1);
  const own = { ...manifest, name: "own" };
  replica.must(upload("models/own/model.onnx", [chunk(50, [1], replica.index)]));
  replica.must({
    kind: "add-model",
    manifest: own,
    file: { path: "models/own/model.onnx", version: FileVersion(1) },
  });
  const { id, model } = jobOf(replica, submit(replica, { model: "own" }));
  replica.must({ kind: "remove-model", name: "own" });
  t.is((replica.row("file/models/own/model.onnx") as { versions: [] }).versions.length, 0);
  t.is(collect(replica), 0, "the job pins it");
  t.deepEqual(jobOf(replica, id).model, model);
  checkInvariants(replica);
  replica.must({ kind: "steer-job", job: id, to: "cancelled" });
  t.is(collect(replica), 1);
  const retried = replica.apply(submission({ model: "own", modelVersion: 1, retryOf: id }));
  t.regex(refusal(retried.outcome), /^NOT_FOUND .*own@1/);
});

test("the file goes with the last version that names it, unless it is to be kept", (t) => {
  const replica = cluster(1);
  const own = "models/own/model.onnx";
  const add = (name: string, topK: number, n = 1) => {
    const file = { path: own, version: FileVersion(n) };
    replica.must({ kind: "add-model", manifest: { ...manifest, name, topK }, file });
  };
  const isThere = (): boolean =>
    (replica.row(`file/${own}`) as { versions: readonly number[] }).versions.length > 0;
  const removed = (name: string, more: object = {}) =>
    replica.must({ kind: "remove-model", name, ...more });
  replica.must(upload(own, [chunk(50, [1], replica.index)]));
  add("own", 1);
  add("own", 2);
  add("guest", 3);
  removed("own", { version: 2 });
  t.true(isThere());
  removed("own");
  t.true(isThere(), "a model of another name is made of it");
  removed("guest");
  t.true(isThere(), "it is not where that one's file would be");
  add("own", 1);
  removed("own", { keepFile: true });
  t.true(isThere());
  add("own", 1);
  removed("own");
  t.false(isThere());
  replica.must({ kind: "restore-file", path: own });
  add("own", 1);
  t.is(replica.machine.models.get("own")?.version, 5);
  replica.must({ kind: "remove-file", path: own });
  removed("own");
  checkInvariants(replica);
});

test("what is loaded before it is used is what names stand for, the latest asked for first", (t) => {
  const replica = cluster(1);
  const wanted = () => preloaded(replica.machine).map(modelReferenceText);
  const preload = (reference: ModelReference, isWanted: boolean) =>
    replica.must({ kind: "preload-model", ...reference, wanted: isWanted });
  for (const n of [2, 3]) addVersion(replica, n);
  t.deepEqual(wanted(), ["tiny@3"]);
  replica.must({ kind: "set-alias", alias: "prod", model: "tiny", version: 1 });
  t.deepEqual(wanted(), ["tiny@3", "tiny@1"]);
  preload({ name: "prod" }, true);
  t.deepEqual(wanted(), ["tiny@1", "tiny@3"]);
  replica.must({ kind: "set-alias", alias: "prod" });
  t.deepEqual(wanted(), ["tiny@3"], "the alias was all that stood for it");
  preload({ name: "tiny", version: 1 }, true);
  preload({ name: "tiny" }, false);
  t.deepEqual(wanted(), ["tiny@1"], "it was asked for by its number");
  addVersion(replica, 4);
  t.deepEqual(wanted(), ["tiny@4", "tiny@1"], "a new version is another one");
  preload({ name: "tiny", version: 1 }, false);
  replica.must({ kind: "set-alias", alias: "prod", model: "tiny", version: 3 });
  t.deepEqual(wanted(), ["tiny@4"], "unloaded, whatever names it");
  preload({ name: "tiny", version: 3 }, true);
  t.deepEqual(wanted(), ["tiny@3", "tiny@4"]);
  t.is(jobOf(replica, submit(replica, { modelVersion: 1 })).model.version, 1, "jobs can use it");
  const why = replica.apply({ kind: "preload-model", name: "tiny", version: 9, wanted: true });
  t.regex(refusal(why.outcome), /^NOT_FOUND .*versions 1, 2, 3 and 4/);
  t.deepEqual(preloaded(replica.restarted().machine), preloaded(replica.machine));
  checkInvariants(replica);
});
