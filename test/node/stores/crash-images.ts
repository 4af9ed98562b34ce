/**
 * What a crash could leave: a copy of a data directory before every write that is made durable in it, and after the
 * last. Each copy is then opened like the directory of a node that was killed there.
 */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { openDatabase } from "../../../src/node/stores/level.ts";
import { MarkFile } from "../../../src/node/stores/mark.ts";

type Write = (...given: unknown[]) => Promise<unknown>;

/** @returns the copies made while `work` ran, in order */
export async function crashImages(
  directory: string,
  into: string,
  work: () => Promise<void>,
): Promise<string[]> {
  const batches = await prototypeOfBatches(into);
  const images: string[] = [];
  let turn: Promise<unknown> = Promise.resolve();
  const image = async (): Promise<void> => {
    const path = join(into, `image-${images.length}`);
    images.push(path);
    // A state that was replaced may be deleted meanwhile: then again.
    for (let tries = 0; !(await copied(directory, path)); tries += 1)
      if (tries > 100) throw new Error(`${directory} cannot be copied`);
  };
  /** Copies, then writes, one at a time: writes that would run beside each other are seen in one of their orders. */
  const imaged = (write: Write): Write =>
    async function (this: unknown, ...given) {
      const before = turn;
      const next = (async () => {
        await before;
        await image();
        return write.apply(this, given);
      })();
      turn = next.catch(() => undefined);
      return next;
    };
  const marks = MarkFile.prototype as unknown as { write: Write };
  const { write: writeBatch } = batches;
  const { write } = marks;
  batches.write = imaged(writeBatch);
  marks.write = imaged(write);
  try {
    await work();
    await image();
  } finally {
    batches.write = writeBatch;
    marks.write = write;
  }
  return images;
}

async function copied(directory: string, path: string): Promise<boolean> {
  try {
    await cp(directory, path, { recursive: true });
    return true;
  } catch {
    await rm(path, { recursive: true, force: true });
    return false;
  }
}

/** Where every batch has its `write` from. */
async function prototypeOfBatches(into: string): Promise<{ write: Write }> {
  const probe = await openDatabase(join(into, "probe"));
  let owner: unknown = probe.batch();
  await probe.close();
  while (typeof owner === "object" && owner !== null && !Object.hasOwn(owner, "write"))
    owner = Object.getPrototypeOf(owner);
  return owner as { write: Write };
}
