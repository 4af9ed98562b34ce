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
  const levels = await prototypeOfLevel(into);
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
  const { batch } = levels;
  const { write } = marks;
  levels.batch = imaged(batch);
  marks.write = imaged(write);
  try {
    await work();
    await image();
  } finally {
    levels.batch = batch;
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

/** Where every database has its `batch` from. */
async function prototypeOfLevel(into: string): Promise<{ batch: Write }> {
  const probe = await openDatabase(join(into, "probe"));
  await probe.close();
  let owner: unknown = probe;
  while (typeof owner === "object" && owner !== null && !Object.hasOwn(owner, "batch"))
    owner = Object.getPrototypeOf(owner);
  return owner as { batch: Write };
}
