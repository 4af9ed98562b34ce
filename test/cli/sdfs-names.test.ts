/** What is there under which name: moving, adding up, and the versions of a file. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import type { Fault } from "../client/fake-node.ts";
import { Fixture } from "./sdfs-fixture.ts";
import type { Outcome } from "./world.ts";

test("get-versions puts the newest versions under each other, each under its name", async (t) => {
  await using fixture = await Fixture.make();
  const { cluster } = fixture.node;
  for (const content of ["one", "two\n", "", "four"]) cluster.addFile("d/a", content);
  const get = async (n: string, to: string): Promise<Outcome> =>
    fixture.sdfs(["get-versions", "d/a", n, to]);
  const four = "===== d/a@4 (4 bytes) =====\nfour";
  const three = "===== d/a@3 (0 bytes) =====\n";
  const two = "===== d/a@2 (4 bytes) =====\ntwo\n";
  const one = "===== d/a@1 (3 bytes) =====\none";
  t.is((await get("1", "-")).out, four);
  t.is((await get("3", "-")).out, `${four}\n${three}${two}`);
  const { code, err } = await get("9", "history");
  t.is(code, 0);
  t.regex(err, /no more than 4 versions of d\/a are kept/);
  t.is(await readFile(join(fixture.directory, "history"), "utf8"), `${four}\n${three}${two}${one}`);
  await get("1", ".");
  t.is(await readFile(join(fixture.directory, "a"), "utf8"), four);
  for (const n of ["0", "101", "x"]) t.is((await get(n, "-")).code, 2, n);
  t.is((await fixture.sdfs(["get-versions", "none", "1", "-"])).code, 4);
});

test("get-versions that fails half-way leaves what was there", async (t) => {
  await using fixture = await Fixture.make();
  fixture.node.cluster.addFile("a", "one");
  fixture.node.cluster.addFile("a", "two");
  await writeFile(join(fixture.directory, "history"), "old");
  // The list of versions, then what the newest is, its bytes, and that the one before is no more.
  const gone: Fault = { kind: "answer", status: 404, body: "{}" };
  fixture.node.faults.push({ kind: "none" }, { kind: "none" }, { kind: "none" }, gone);
  t.not((await fixture.sdfs(["get-versions", "a", "2", "history"])).code, 0);
  t.is(await readFile(join(fixture.directory, "history"), "utf8"), "old");
  t.deepEqual(await readdir(fixture.directory), ["history"]);
});

test("mv gives a file another name, and a folder's files at one moment", async (t) => {
  await using fixture = await Fixture.make();
  const { cluster } = fixture.node;
  for (const path of ["cat", "a/1", "a/b/2", "a/b/3", "ab", "z/1"]) cluster.addFile(path, path);
  const mv = async (...argv: string[]): Promise<Outcome> => fixture.sdfs(["mv", ...argv]);
  t.regex((await mv("cat", "pets/")).out, /^cat +pets\/cat +1$/m);
  t.is((await mv("-r", "a", "c/d")).code, 0);
  t.deepEqual([...cluster.files.keys()].toSorted(), [
    "ab",
    "c/d/1",
    "c/d/b/2",
    "c/d/b/3",
    "pets/cat",
    "z/1",
  ]);
  t.is(fixture.node.asked.filter((asked) => asked.includes("/v1/moves")).length, 2);
  t.is((await mv("-r", "z", "c/d")).code, 5, "what is there stays");
  t.is((await mv("none", "some")).code, 4);
  t.is((await mv("-r", "none", "some")).code, 4);
  t.is((await mv("c/d/", "some")).code, 2);
  t.is((await mv("-r", "/", "all")).code, 0);
  t.true([...cluster.files.keys()].every((path) => path.startsWith("all/")));
});

test("mv -r of more than 1,000 files says so, and moves none", async (t) => {
  await using fixture = await Fixture.make();
  const { cluster } = fixture.node;
  for (let i = 0; i <= 1_000; i += 1) cluster.addFile(`a/${String(i).padStart(4, "0")}`, "x");
  const { code, err } = await fixture.sdfs(["mv", "-r", "a", "b"]);
  t.is(code, 1);
  t.regex(err, /the folder a\/ has 1001 files or more; the limit is 1000: move its folders one/);
  t.false(fixture.node.asked.some((asked) => asked.includes("/v1/moves")));
  cluster.files.delete("a/0000");
  t.is((await fixture.sdfs(["mv", "-r", "a", "b"])).code, 0);
});

test("du adds up what lies in each folder, however the pages cut it", async (t) => {
  await using fixture = await Fixture.make();
  const { cluster } = fixture.node;
  for (const path of ["a/1", "a/b/1", "a/b/2", "a/b/3", "a/b/4", "a/b/c/1", "a/z", "b/1", "top"])
    cluster.addFile(path, "x".repeat(10));
  const du = async (...argv: string[]): Promise<string[]> =>
    (await fixture.sdfs(["du", ...argv, "-o", "csv"])).out.trimEnd().split("\n").slice(1);
  t.deepEqual(await du(), ["90,180,9,"]);
  t.deepEqual(await du("-d", "1"), ["70,140,7,a/", "10,20,1,b/", "90,180,9,"]);
  t.deepEqual(await du("a", "-d", "9"), ["10,20,1,a/b/c/", "50,100,5,a/b/", "70,140,7,a/"]);
  t.regex((await fixture.sdfs(["du"])).out, /^ *90 B +180 B +9 +\/$/m);
  t.is((await fixture.sdfs(["du", "none"])).code, 4);
  t.is((await fixture.sdfs(["du", "-d", "100"])).code, 2);
});

test("du of an empty store is nothing, and no error", async (t) => {
  await using fixture = await Fixture.make();
  const { code, out } = await fixture.sdfs(["du", "-o", "ndjson"]);
  t.is(code, 0);
  t.deepEqual(JSON.parse(out), { path: "", files: 0, bytes: 0, keptBytes: 0 });
});

test("quota sets, lists and takes back what may lie under a folder", async (t) => {
  await using fixture = await Fixture.make();
  const quota = async (...argv: string[]): Promise<Outcome> => fixture.sdfs(["quota", ...argv]);
  t.is((await quota("set", "images", "--bytes", "10G", "--files", "1000")).code, 0);
  t.is((await quota("set", "/", "--bytes", "1.5k")).code, 0);
  t.deepEqual(JSON.parse((await quota("ls", "-o", "json")).out), [
    { prefix: "images/", bytesLimit: 10 * 1_024 ** 3, filesLimit: 1_000 },
    { prefix: "", bytesLimit: 1_536 },
  ]);
  t.regex((await quota("ls")).out, /^images\/ +- +10\.0 GiB +- +1000 +counting$/m);
  t.regex((await quota("rm", "images/")).err, /removed the quota of images\//);
  t.is((await quota("ls", "-o", "ndjson")).out.trimEnd().split("\n").length, 1);
  for (const argv of [["images"], ["images", "--bytes", "10X"], ["images", "--files", "-1"]])
    t.is((await quota("set", ...argv)).code, 2, argv.join(" "));
});
