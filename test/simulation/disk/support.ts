/** The disk by itself, in virtual time: what the tests of the disk drive. */
import { Random } from "../../../src/lib/random.ts";
import { SimulatedProcess } from "../process.ts";
import { VirtualTime } from "../virtual-time.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

/** Longer than anything here takes, in virtual ms. */
const patienceMs = 60_000;

/** Lets time pass until something has come to its end, or `isOver` says so. */
export async function drive<T>(
  time: VirtualTime,
  work: Promise<T>,
  isOver: () => boolean = () => false,
): Promise<T | undefined> {
  let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  work.then(
    (value) => (outcome = { value }),
    (error: unknown) => (outcome = { error }),
  );
  const hasEnded = (): boolean => outcome !== undefined || isOver();
  if (!(await time.until(hasEnded, patienceMs))) throw new Error("nothing happens any more");
  const ended = outcome as { readonly value: T } | { readonly error: unknown } | undefined;
  if (ended === undefined) return undefined;
  if ("error" in ended) throw ended.error;
  return ended.value;
}

/** A disk with its time. */
export function makeDisk(seed: number): {
  readonly disk: SimulatedDisk;
  readonly time: VirtualTime;
} {
  const time = new VirtualTime();
  const after = (ms: number, run: () => void): void => void time.after(ms, run);
  const disk = new SimulatedDisk({ random: new Random(seed), after }, { mount: "/data" });
  return { disk, time };
}

/** A process to use it, with a true clock. */
export function makeProcess(time: VirtualTime): SimulatedProcess {
  return new SimulatedProcess(time, { offset: 0, perMille: 1_000 }, new Random(1));
}
