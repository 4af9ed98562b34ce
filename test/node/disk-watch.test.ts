/** The disk's room as a state: said once when it changes, with a margin so that it does not waver. */
import test from "ava";
import { DiskWatch } from "../../src/node/disk-watch.ts";
import type { Logger } from "../../src/node/log.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  flush: () => undefined,
} as unknown as Logger;

test("full below the reserve, roomy again only a quarter above it, and each is said once", async (t) => {
  const said: boolean[] = [];
  let free = 1_000;
  const watch = new DiskWatch(
    { directory: "/", reserveBytes: 100 },
    {
      runtime: systemRuntime,
      log: silent,
      onChange: (full) => said.push(full),
      freeBytes: async () => free,
    },
  );
  for (free of [1_000, 100, 99, 50, 110, 124]) await watch.look();
  t.deepEqual(said, [true]);
  t.true(watch.isFull);
  for (free of [125, 101]) await watch.look();
  t.deepEqual(said, [true, false]);
});

test("not knowing changes nothing", async (t) => {
  const said: boolean[] = [];
  const watch = new DiskWatch(
    { directory: "/", reserveBytes: 100 },
    {
      runtime: systemRuntime,
      log: silent,
      onChange: (full) => said.push(full),
      freeBytes: async () => Promise.reject(new Error("gone")),
    },
  );
  await watch.look();
  t.deepEqual(said, []);
});

test("by default it asks the file system", async (t) => {
  const watch = new DiskWatch(
    { directory: "/", reserveBytes: Number.MAX_SAFE_INTEGER },
    { runtime: systemRuntime, log: silent, onChange: (full) => t.true(full) },
  );
  await watch.look();
  t.true(watch.isFull);
});
