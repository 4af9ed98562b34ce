/** The mark's file: the newest whole slot counts, and whatever its bytes became, opening it never fails. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import fc from "fast-check";
import { LogIndex, NodeId, Term } from "../../../src/lib/types.ts";
import { type Mark, MarkFile } from "../../../src/node/stores/mark.ts";
import { damaged } from "../../lib/damage.ts";
import { systemDisk } from "../../../src/node/stores/system-disk.ts";
import { runs } from "../../lib/property.ts";

const mark: fc.Arbitrary<Mark> = fc.record({
  index: fc.maxSafeNat().map(LogIndex),
  term: fc.maxSafeNat().map(Term),
  chain: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  hardState: fc.record({
    term: fc.maxSafeNat().map(Term),
    vote: fc.option(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/).map(NodeId), { nil: undefined }),
  }),
  isDamaged: fc.boolean(),
});

async function lastIn(directory: string): Promise<Mark | undefined> {
  const file = await MarkFile.open(directory, systemDisk.files);
  await file.close();
  return file.last;
}

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "idunno-mark-"));
  try {
    await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

test("the last mark written is found again; one whose write was torn gives way to the one before", async (t) => {
  const marks = fc.array(mark, { minLength: 2, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(marks, fc.nat(511), (list, tornAt) =>
      inDirectory(async (directory) => {
        const file = await MarkFile.open(directory, systemDisk.files);
        for (const each of list) await file.write(each);
        await file.close();
        t.deepEqual(await lastIn(directory), list.at(-1));
        const bytes = await readFile(join(directory, "mark"));
        const at = (list.length % 2) * 512 + tornAt;
        bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
        await writeFile(join(directory, "mark"), bytes);
        t.deepEqual(await lastIn(directory), list.at(-2));
      }),
    ),
    { numRuns: runs(30) },
  );
});

test("of any bytes there is a mark that was written or none", async (t) => {
  await inDirectory(async (directory) => {
    let none = 0;
    await fc.assert(
      fc.asyncProperty(fc.tuple(mark, mark), fc.infiniteStream(fc.nat()), async (two, draws) => {
        await rm(join(directory, "mark"), { force: true });
        const file = await MarkFile.open(directory, systemDisk.files);
        for (const each of two) await file.write(each);
        await file.close();
        const right = new Uint8Array(await readFile(join(directory, "mark")));
        const [seed = 0] = draws;
        const [bytes = right] = fc.sample(damaged(fc.constant(right)), { seed, numRuns: 1 });
        await writeFile(join(directory, "mark"), bytes);
        const found = await lastIn(directory);
        if (found === undefined) none += 1;
        else t.true(two.some((each) => JSON.stringify(each) === JSON.stringify(found)));
      }),
      { numRuns: runs(100) },
    );
    t.true(none > 0);
  });
});
