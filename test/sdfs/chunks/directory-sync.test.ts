/** Group commit: nobody is answered by a sync that may have started before his rename. */
import { mkdir, open } from "node:fs/promises";
import test from "ava";
import { DirectorySync } from "../../../src/sdfs/chunks/directory-sync.ts";
import { IoSlots } from "../../../src/sdfs/chunks/io-slots.ts";
import { scratch } from "./support.ts";

test("who comes while a sync runs waits for the next one, which all of them share", async (t) => {
  const directory = await scratch(t);
  await mkdir(directory);
  const probe = await open(directory, "r");
  const prototype = Object.getPrototypeOf(probe) as { sync: () => Promise<void> };
  await probe.close();
  const { sync } = prototype;
  const gates: (() => void)[] = [];
  let started: () => void = () => undefined;
  prototype.sync = () =>
    new Promise((resolve) => {
      gates.push(resolve);
      started();
    });
  const nextStart = (): Promise<void> => new Promise((resolve) => (started = resolve));
  try {
    const group = await DirectorySync.open(directory, new IoSlots(2));
    let running = nextStart();
    const done: string[] = [];
    const first = group.sync().then(() => done.push("first"));
    await running;
    const late = ["second", "third"].map((name) => group.sync().then(() => done.push(name)));
    running = nextStart();
    gates[0]?.();
    await first;
    await running;
    t.deepEqual(done, ["first"]);
    gates[1]?.();
    await Promise.all(late);
    t.is(gates.length, 2);
    await group.close();
  } finally {
    prototype.sync = sync;
  }
});
