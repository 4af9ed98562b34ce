/** Arrays on their way from a file of the executor into SDFS. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { chunkBytes, type FileUpload } from "../../src/lib/content.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { LogTime, type NodeId } from "../../src/lib/types.ts";
import type { MemberRecord } from "../../src/machine/commands.ts";
import { systemDisk } from "../../src/node/stores/system-disk.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";
import { TensorFiles, type TensorFilesPorts } from "../../src/node/tensor-files.ts";
import { hashOf } from "../../src/sdfs/chunks/hash.ts";
import { cluster } from "../machine/fixtures.ts";
import { quiet } from "./quiet.ts";

const folder = await mkdtemp(join(tmpdir(), "idunno-arrays-"));
test.after.always(async () => rm(folder, { recursive: true, force: true }));

const never = new AbortController().signal;
/** Three nodes that are up: three copies are wanted. */
const { members } = cluster(3).machine;

interface Uploaded {
  readonly bytes: Buffer;
  readonly sizes: readonly number[];
}

/** @param copies of each upload in turn; the last one for ever */
function made(
  directory: string,
  copies: readonly number[],
  all: ReadonlyMap<NodeId, MemberRecord> = members,
): { readonly files: TensorFiles; readonly uploads: Uploaded[] } {
  const uploads: Uploaded[] = [];
  const upload: TensorFilesPorts["files"]["upload"] = async (path, pieces) => {
    const found: Buffer[] = [];
    const chunks: FileUpload["chunks"][number][] = [];
    const count = copies[Math.min(uploads.length, copies.length - 1)] ?? 0;
    for await (const { hash, bytes } of pieces) {
      found.push(Buffer.from(bytes));
      const replicas = Array.from({ length: count }, (_, i) => ({ store: `s${i}`, index: 1 }));
      chunks.push({ hash, bytes: bytes.length, replicas });
    }
    uploads.push({ bytes: Buffer.concat(found), sizes: found.map(({ length }) => length) });
    return { path, bytes: 0, chunks };
  };
  const files = new TensorFiles(join(folder, directory), {
    disk: systemDisk.files,
    machine: { members: all },
    chunks: { hash: hashOf },
    files: { upload },
    logClock: { now: () => LogTime(0) },
    // Nothing is waited for that could happen.
    runtime: { ...systemRuntime, after: (_, run) => systemRuntime.after(0, run) },
    log: quiet,
  });
  return { files, uploads };
}

test("a file is cut into chunks of the usual size, and goes when it is asked to", async (t) => {
  const { files, uploads } = made("cut", [3]);
  const path = await files.place("j1/2/3");
  const bytes = Buffer.alloc(chunkBytes + 10, "numbers ");
  await writeFile(path, bytes);
  const content = await files.upload({ path, bytes: bytes.length }, () => true, never);
  t.deepEqual(uploads[0]?.sizes, [chunkBytes, 10]);
  t.true(uploads[0]?.bytes.equals(bytes));
  t.is(content.bytes, bytes.length);
  t.deepEqual(
    content.chunks.map(({ hash }) => hash),
    [await hashOf(bytes.subarray(0, chunkBytes)), await hashOf(bytes.subarray(chunkBytes))],
  );
  await files.remove(path);
  await files.remove(path);
  t.deepEqual(await readdir(join(folder, "cut")), []);
});

test("what an earlier process left is gone before the first file comes, and no later", async (t) => {
  const before = made("left", [3]).files;
  await writeFile(await before.place("j1/0/1"), "old");
  const { files } = made("left", [3]);
  const path = await files.place("j2/0/1");
  await writeFile(path, "new");
  await files.place("j2/1/1");
  t.deepEqual(await readdir(join(folder, "left")), ["j2-0-1.npz"]);
});

test("it is uploaded again until as many nodes have it as a put needs", async (t) => {
  const { files, uploads } = made("few", [1, 2, 3]);
  const path = await files.place("j1/0/1");
  await writeFile(path, "arrays");
  const { chunks } = await files.upload({ path, bytes: 6 }, () => true, never);
  t.is(uploads.length, 3);
  t.is(chunks[0]?.replicas.length, 3);
});

test("nobody uploads what nobody waits for any more", async (t) => {
  const { files, uploads } = made("over", [1]);
  const path = await files.place("j1/0/1");
  await writeFile(path, "arrays");
  const error = await t.throwsAsync(
    files.upload({ path, bytes: 6 }, () => uploads.length < 2, never),
  );
  t.true(hasCode(error, "CLOSED"));
  t.is(uploads.length, 2);
});

test("a file that is shorter than its writer said is not made up", async (t) => {
  const { files } = made("short", [3]);
  const path = await files.place("j1/0/1");
  await writeFile(path, "arr");
  const error = await t.throwsAsync(files.upload({ path, bytes: 6 }, () => true, never));
  t.true(hasCode(error, "INTERNAL"));
});
