/** Counting what lay under a prefix, while files come and go. */
import test from "ava";
import { fromWire } from "../../src/lib/errors.ts";
import type { Operation } from "../../src/machine/commands.ts";
import { QuotaCounter } from "../../src/node/quota-counter.ts";
import { systemRuntime } from "../../src/node/system-runtime.ts";
import { quotaId, usedOf } from "../../src/sdfs/catalog/quotas.ts";
import { chunk, cluster, upload } from "../machine/fixtures.ts";
import { amountUnder, checkInvariants } from "../machine/invariants.ts";
import { stateOf } from "./http/http-node.ts";
import { quiet } from "./quiet.ts";

/** A leader's counter; `between` runs after every row that it has read. */
function setUp(between: (row: number) => void) {
  const replica = cluster(1);
  const state = stateOf(replica);
  const driver = { isReadyLeader: true };
  const proposed: Operation[] = [];
  let failures = 0;
  const counter = new QuotaCounter({
    machine: replica.machine,
    state: {
      async *rows(prefix, after) {
        let n = 0;
        for await (const row of state.rows(prefix, after)) {
          yield row;
          between((n += 1));
        }
      },
    },
    coordination: {
      proposeHere: async (operation) => {
        if (failures > 0) {
          failures -= 1;
          throw fromWire({ code: "BUSY", details: { what: "the queue", limit: 1 } });
        }
        proposed.push(operation);
        return replica.apply(operation).outcome;
      },
    },
    driver,
    runtime: systemRuntime,
    log: quiet,
  });
  return { replica, counter, driver, proposed, fail: (times: number) => (failures = times) };
}

const put = (path: string, bytes: number) => upload(path, [chunk(100 + bytes, [1], 0, bytes)]);
const isCounted = (replica: ReturnType<typeof cluster>, prefix: string): boolean =>
  replica.machine.quotas.get(quotaId(prefix))?.base !== undefined;

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!condition() && performance.now() < end) await new Promise(setImmediate);
}

test("what comes and goes while it is counted counts once (Q1)", async (t) => {
  const { replica, counter, proposed } = setUp((row) => {
    replica.must(put(`a/later-${row}`, 7));
    replica.must(put(`a/${row + 2}`, 90));
    if (row % 3 === 0) replica.must({ kind: "remove-file", path: `a/${row}` });
  });
  for (let n = 0; n < 30; n += 1) replica.must(put(`a/${n}`, 10 + n));
  replica.must({ kind: "set-quota", prefix: "a/", files: 1_000 });
  replica.must(put("a/29", 50));
  counter.nudge();
  await until(() => isCounted(replica, "a/"));
  const quota = replica.machine.quotas.get(quotaId("a/"));
  t.like(quota, { base: { files: 30, bytes: 30 * 10 + (29 * 30) / 2 } });
  t.deepEqual(quota && usedOf(quota), amountUnder(replica, "a/"));
  checkInvariants(replica);
  t.is(proposed.length, 1);
  counter.nudge();
  await counter.close();
  t.is(proposed.length, 1, "counted once");
});

test("a quota taken back and made anew while it is counted is counted anew (Q4)", async (t) => {
  let changed = false;
  const { replica, counter } = setUp(() => {
    if (changed) return;
    changed = true;
    replica.must({ kind: "set-quota", prefix: "" });
    replica.must(put("b", 5));
    replica.must({ kind: "set-quota", prefix: "", bytes: 1_000_000 });
  });
  replica.must({ kind: "set-quota", prefix: "", files: 1_000 });
  counter.nudge();
  await until(() => isCounted(replica, ""));
  t.deepEqual(replica.machine.quotas.get("")?.base, amountUnder(replica, ""));
  checkInvariants(replica);
  await counter.close();
});

test("whoever leads no more counts nothing, and a count that cannot be proposed is tried again", async (t) => {
  const { replica, counter, driver, proposed, fail } = setUp(() => undefined);
  replica.must({ kind: "set-quota", prefix: "", files: 1_000 });
  driver.isReadyLeader = false;
  counter.nudge();
  await new Promise(setImmediate);
  t.deepEqual(proposed, []);
  driver.isReadyLeader = true;
  fail(2);
  counter.nudge();
  await until(() => isCounted(replica, ""));
  t.true(isCounted(replica, ""));
  await counter.close();
});
