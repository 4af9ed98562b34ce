/** Applying goes on where it stopped, reads each entry once, and never keeps what is not committed. */
import test from "ava";
import { LogIndex, LogTime, Term } from "../../src/lib/types.ts";
import { encodeCommand } from "../../src/machine/codec.ts";
import { Machine } from "../../src/machine/machine.ts";
import { Applier } from "../../src/node/applier.ts";
import { LogClock } from "../../src/node/log-clock.ts";
import type { StateStore } from "../../src/node/stores/state-store.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";
import type { Entry } from "../../src/raft/types.ts";
import { quiet } from "./quiet.ts";

function entry(index: number, value: string): Entry {
  const operation = { kind: "set-setting", name: "x-a", value } as const;
  const data = encodeCommand({ v: 1, at: LogTime(index), key: undefined, operation });
  return { index: LogIndex(index), term: Term(1), kind: "command", data };
}

function setUp(log: Entry[]) {
  const machine = new Machine({ cold: { get: () => undefined } });
  const reads: number[] = [];
  const failures: unknown[] = [];
  const applier = new Applier({
    machine,
    state: { appliedIndex: 0, commit: () => undefined } as unknown as StateStore,
    logClock: new LogClock({ now: () => 0 }, LogTime(1), 0),
    runtime: systemRuntime,
    log: quiet,
    entries: (from) => {
      const found = log.slice(from - 1);
      reads.push(found.length);
      return found;
    },
    onMutations: () => undefined,
    onFatal: (error) => failures.push(error),
  });
  const reached = async (index: number) =>
    applier.reached(LogIndex(index), AbortSignal.timeout(20_000));
  return { applier, machine, reads, failures, reached };
}

test("an entry is read once, however many slices applying takes", async (t) => {
  const log = Array.from({ length: 20_000 }, (_, i) => entry(i + 1, `${i}`));
  const { applier, machine, reads, failures, reached } = setUp(log);
  let slices = 0;
  applier.onApplied(() => (slices += 1));
  applier.applyTo(LogIndex(log.length));
  await reached(log.length);
  t.is(machine.settings.get("x-a")?.value, "19999");
  t.true(slices > 1, "it took more than one slice");
  t.deepEqual(reads, [log.length]);
  t.deepEqual(failures, []);
});

test("an entry that is not committed yet is read again when it is: another may have taken its place", async (t) => {
  const log = [entry(1, "one"), entry(2, "lost")];
  const { applier, machine, reached } = setUp(log);
  applier.applyTo(LogIndex(1));
  await reached(1);
  log[1] = entry(2, "kept");
  applier.applyTo(LogIndex(2));
  await reached(2);
  t.is(machine.settings.get("x-a")?.value, "kept");
});
