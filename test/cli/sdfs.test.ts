/** Files to and from SDFS: names, order, and what a local disk may never be left with. */
import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "ava";
import { filesToPut } from "../../src/cli/sdfs/local-files.ts";
import { inParallel, transfers } from "../../src/cli/sdfs/parallel.ts";
import { groupsOf } from "../../src/cli/sdfs/put-folder.ts";
import { Fixture } from "./sdfs-fixture.ts";

test("a folder's content goes under the path given, in the order of its bytes", async (t) => {
  await using fixture = await Fixture.make();
  for (const name of [
    "photos/b.jpg",
    "photos/a/z.jpg",
    "photos/a.jpg",
    "photos/é.jpg",
    "photos/Z.jpg",
  ])
    await fixture.write(name);
  const { code, out, err } = await fixture.sdfs(["put", "-r", "photos", "images/", "-o", "csv"]);
  t.is(code, 0, err);
  // Each file holds its own path, "photos/" and "images/" being of one length. "." sorts before "/", capitals before small letters, and é after all of ASCII.
  const paths = ["images/Z.jpg", "images/a.jpg", "images/a/z.jpg", "images/b.jpg", "images/é.jpg"];
  t.deepEqual(out.trimEnd().split("\n"), [
    "path,version,size,copies,state",
    ...paths.map((path) => `${path},1,${Buffer.byteLength(path)},4,stored`),
  ]);
  t.deepEqual([...fixture.node.cluster.files.keys()].sort(), [...paths].sort());
});

test("one file takes the path given, or lies in it by its own name", async (t) => {
  await using fixture = await Fixture.make();
  await fixture.write("cat.jpg");
  await fixture.write("dog.jpg");
  await fixture.sdfs(["put", "cat.jpg", "images/tom"]);
  await fixture.sdfs(["put", "cat.jpg", "images/"]);
  await fixture.sdfs(["put", "cat.jpg", "dog.jpg", "pets"]);
  t.deepEqual([...fixture.node.cluster.files.keys()].sort(), [
    "images/cat.jpg",
    "images/tom",
    "pets/cat.jpg",
    "pets/dog.jpg",
  ]);
});

test("links are refused before anything is put", async (t) => {
  await using fixture = await Fixture.make();
  await fixture.write("photos/a.jpg");
  await symlink("/etc/passwd", join(fixture.directory, "photos/z.jpg"));
  const { code, err } = await fixture.sdfs(["put", "-r", "photos", "images"]);
  t.is(code, 2);
  t.regex(err, /z\.jpg: it is a symbolic link/);
  t.is(fixture.node.cluster.files.size, 0);
});

test("a folder without -r, a missing file and two sources of one name are refused", async (t) => {
  await using fixture = await Fixture.make();
  await fixture.write("a/x");
  await fixture.write("b/x");
  for (const argv of [
    ["put", "a", "images"],
    ["put", "none", "images"],
    ["put", "-r", "a", "b", "images"],
    ["put", "-", "images/"],
  ])
    t.is((await fixture.sdfs(argv)).code, 2, argv.join(" "));
  t.deepEqual(fixture.node.asked, []);
});

test("a source outside of any folder keeps only its own name", async (t) => {
  await using fixture = await Fixture.make();
  await fixture.write("a/b/c");
  const file = join(fixture.directory, "a/b/c");
  const [found] = await filesToPut([file], "", { recursive: false });
  t.is(found?.path, "c");
});

test("a put may be made to depend on the newest version, of one file at a time", async (t) => {
  await using fixture = await Fixture.make();
  await fixture.write("cat.jpg");
  await fixture.write("dog.jpg");
  const put = async (n: string, ...rest: string[]): Promise<number> =>
    (await fixture.sdfs(["put", "--if-version", n, ...rest])).code;
  t.is(await put("0", "cat.jpg", "cat"), 0);
  t.is(await put("0", "cat.jpg", "cat"), 5);
  t.is(await put("1", "cat.jpg", "cat"), 0);
  t.is((await fixture.sdfs(["put", "--if-version=1", "-", "cat"], { stdin: [] })).code, 5);
  t.is(fixture.node.cluster.files.get("cat")?.length, 2);
  const asked = fixture.node.asked.length;
  t.is(await put("0", "cat.jpg", "dog.jpg", "pets"), 2);
  t.is(await put("-1", "cat.jpg", "cat"), 2);
  t.is(fixture.node.asked.length, asked, "nothing was put");
});

test("standard input becomes a file, and a file standard output", async (t) => {
  await using fixture = await Fixture.make();
  const stdin = [Buffer.from("he"), Buffer.from("llo")];
  t.is((await fixture.sdfs(["put", "-", "greeting"], { stdin })).code, 0);
  await fixture.sdfs(["put", "-", "greeting"], { stdin: [Buffer.from("bye")] });
  t.is((await fixture.sdfs(["cat", "greeting@1"])).out, "hello");
  t.is((await fixture.sdfs(["get", "greeting", "-"])).out, "bye");
});

test("get writes into a folder or to a name, and leaves nothing behind when it fails", async (t) => {
  await using fixture = await Fixture.make();
  fixture.node.cluster.addFile("images/cat.jpg", "cat");
  await fixture.sdfs(["get", "images/cat.jpg", "."]);
  await fixture.sdfs(["get", "images/cat.jpg@1", "tom"]);
  t.is(await readFile(join(fixture.directory, "cat.jpg"), "utf8"), "cat");
  await writeFile(join(fixture.directory, "tom"), "old");
  fixture.node.faults.push({ kind: "answer", status: 200, body: "{}" });
  t.is((await fixture.sdfs(["get", "images/cat.jpg", "tom"])).code, 1);
  const got = {
    path: "images/cat.jpg",
    version: 1,
    bytes: 9,
    chunks: 1,
    copies: 1,
    committedAtMs: 0,
    content: "",
  };
  fixture.node.faults.push({ kind: "answer", status: 200, body: JSON.stringify(got) });
  t.is((await fixture.sdfs(["get", "images/cat.jpg", "tom"])).code, 1);
  t.is(await readFile(join(fixture.directory, "tom"), "utf8"), "old");
  t.is((await fixture.sdfs(["get", "images/dog.jpg", "rex"])).code, 4);
  t.deepEqual((await readdir(fixture.directory)).sort(), ["cat.jpg", "tom"]);
});

test("a folder put and restored is the same folder", async (t) => {
  await using fixture = await Fixture.make();
  const names = Array.from({ length: 20 }, (_, i) => `photos/${i % 3}/${i}.jpg`);
  for (const name of names) await fixture.write(name);
  await fixture.sdfs(["put", "-r", "photos", "images"]);
  const { code, err } = await fixture.sdfs(["get", "-r", "images", "back"]);
  t.is(code, 0, err);
  for (const name of names)
    t.is(await readFile(join(fixture.directory, name.replace("photos", "back")), "utf8"), name);
});

test("no name from a node leads out of the folder restored into", async (t) => {
  await using fixture = await Fixture.make();
  fixture.node.cluster.addFile("images/../../escaped", "x");
  const { code } = await fixture.sdfs(["get", "-r", "images", "back"]);
  t.is(code, 2);
  t.deepEqual(await readdir(fixture.directory), []);
});

test("ls shows folders once, however large, and -r every file", async (t) => {
  await using fixture = await Fixture.make();
  const { cluster } = fixture.node;
  for (let i = 0; i < 10; i += 1) cluster.addFile(`images/big/${i}`, "x");
  for (const path of ["images/a.jpg", "images/c/1", "images/z.jpg", "top"])
    cluster.addFile(path, "x");
  const names = async (...argv: string[]): Promise<string[]> =>
    (await fixture.sdfs(["ls", ...argv, "-o", "csv"])).out.trimEnd().split("\n").slice(1);
  t.deepEqual(await names(), ["images/", "top"]);
  t.deepEqual(await names("images"), ["images/a.jpg", "images/big/", "images/c/", "images/z.jpg"]);
  t.deepEqual(await names("images/"), await names("images"));
  t.is((await names("-r", "images")).length, 13);
  t.deepEqual(await names("top"), ["top"]);
  t.deepEqual(await names("-l", "top"), ["top,1,1,1000"]);
  t.is((await fixture.sdfs(["ls", "none"])).code, 4);
});

test("an empty store is an empty list, and no error", async (t) => {
  await using fixture = await Fixture.make();
  const { code, out } = await fixture.sdfs(["ls", "-o", "json"]);
  t.is(code, 0);
  t.deepEqual(JSON.parse(out), { files: [] });
});

test("stat, versions, store and rm tell of a file", async (t) => {
  await using fixture = await Fixture.make();
  fixture.node.cluster.addFile("a", "x");
  fixture.node.cluster.addFile("a", "yy");
  t.regex((await fixture.sdfs(["stat", "a"])).out, /size: +2 B/);
  t.is((await fixture.sdfs(["versions", "a", "-o", "ndjson"])).out.split("\n").length, 3);
  t.regex((await fixture.sdfs(["store"])).err, /n1: 1 chunk, 2 B/);
  t.is((await fixture.sdfs(["rm", "a"])).code, 0);
  t.is((await fixture.sdfs(["stat", "a"])).code, 4);
});

test("few transfers run at once, in order, and a failure starts no more", async (t) => {
  const items = Array.from({ length: 50 }, (_, i) => i);
  let running = 0;
  let most = 0;
  const never = new AbortController().signal;
  const results = await inParallel(items, never, async (item) => {
    most = Math.max(most, (running += 1));
    await new Promise(setImmediate);
    running -= 1;
    return item * 2;
  });
  t.deepEqual(
    results,
    items.map((item) => item * 2),
  );
  t.is(most, transfers);
  const begun: number[] = [];
  await t.throwsAsync(
    inParallel(items, never, async (item) => {
      begun.push(item);
      await new Promise(setImmediate);
      throw new Error(`no ${item}`);
    }),
    { message: "no 0" },
  );
  t.is(begun.length, transfers);
});

test("a put that fails half-way tells how far it came", async (t) => {
  await using fixture = await Fixture.make();
  for (let i = 0; i < 3; i += 1) await fixture.write(`p/${i}`);
  // The first request learns the nodes, the second asks what is there.
  fixture.node.faults.push(
    { kind: "none" },
    { kind: "none" },
    { kind: "answer", status: 404, body: "" },
  );
  const { code, err } = await fixture.sdfs(["put", "-r", "p", "q"]);
  t.is(code, 1);
  t.regex(err, /^0 of 3 files were put: run it again to go on\nidunno: /);
});

test("put -r puts what is new or has changed, and --force everything", async (t) => {
  await using fixture = await Fixture.make();
  for (const name of ["p/a", "p/b", "p/c"]) await fixture.write(name);
  const put = async (...more: string[]): Promise<string[]> => {
    const { out } = await fixture.sdfs(["put", "-r", "p", "q", "-o", "csv", ...more]);
    return out.trimEnd().split("\n").slice(1);
  };
  t.deepEqual(await put(), ["q/a,1,3,4,stored", "q/b,1,3,4,stored", "q/c,1,3,4,stored"]);
  await fixture.write("p/b", "new"); // of the same size
  await fixture.write("p/d");
  t.deepEqual(await put(), [
    "q/a,1,3,4,unchanged",
    "q/b,2,3,4,stored",
    "q/c,1,3,4,unchanged",
    "q/d,1,3,4,stored",
  ]);
  t.is(fixture.node.cluster.files.get("q/b")?.at(-1)?.content.toString(), "new");
  t.deepEqual(
    (await put("--force")).map((line) => line.split(",").slice(-1)[0]),
    ["stored", "stored", "stored", "stored"],
  );
  t.is(fixture.node.cluster.files.get("q/a")?.length, 2);
});

test("put -r that was cut off goes on where it stopped", async (t) => {
  await using fixture = await Fixture.make();
  // Two large files by themselves, and a group of small ones.
  for (const name of ["p/1", "p/2"]) await fixture.write(name, name.repeat(1_000_000));
  for (let i = 0; i < 20; i += 1) await fixture.write(`p/small/${i}`);
  const none = { kind: "none" } as const;
  fixture.node.faults.push(none, none, none, none, { kind: "answer", status: 404, body: "" });
  t.is((await fixture.sdfs(["put", "-r", "p", "q"])).code, 1);
  const there = [...fixture.node.cluster.files.keys()];
  const stored = there.length;
  t.true(stored < 22);
  t.true([0, 20].includes(there.filter((path) => path.startsWith("q/small/")).length));
  const { code, err } = await fixture.sdfs(["put", "-r", "p", "q"]);
  t.is(code, 0, err);
  // What was on its way when the first one gave up may have arrived after all.
  t.true(Number(/(\d+) of 22 files were put/.exec(err)?.[1]) <= 22 - stored);
  t.is(fixture.node.cluster.files.size, 22);
  for (const [path, versions] of fixture.node.cluster.files) t.is(versions.length, 1, path);
});

test("a group whose answer is lost is sent again and makes one version of each file", async (t) => {
  await using fixture = await Fixture.make();
  for (let i = 0; i < 5; i += 1) await fixture.write(`p/${i}`);
  const none = { kind: "none" } as const;
  fixture.node.faults.push(none, none, { kind: "drop-after" });
  const { code, err } = await fixture.sdfs(["put", "-r", "p", "q"]);
  t.is(code, 0, err);
  t.is(fixture.node.asked.filter((each) => each === "POST /v1/files").length, 2);
  t.is(fixture.node.cluster.files.size, 5);
  for (const [path, versions] of fixture.node.cluster.files) t.is(versions.length, 1, path);
});

test("small files share a group up to its limits, large ones go by themselves", (t) => {
  const file = (path: string, bytes: number) => ({ local: path, path, bytes });
  const small = Array.from({ length: 600 }, (_, i) => file(`s${i}`, 10));
  const sizes = (files: ReturnType<typeof file>[]): number[] =>
    groupsOf(files).map((group) => group.length);
  t.deepEqual(sizes(small), [256, 256, 88]);
  const MiB = 1024 * 1024;
  t.deepEqual(sizes(Array.from({ length: 20 }, (_, i) => file(`m${i}`, MiB))), [8, 8, 4]);
  t.deepEqual(sizes([file("a", 1), file("b", MiB + 1), file("c", 0)]), [1, 2]);
  t.deepEqual(sizes([]), []);
});
