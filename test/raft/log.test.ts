/** What the core may believe about its disk (L1 to L3). */
import test from "ava";
import { LogIndex, Term } from "../../src/lib/types.ts";
import { RaftLog } from "../../src/raft/log.ts";
import type { Entry } from "../../src/raft/types.ts";
import { entry } from "./alone.ts";

/** A log over a disk that holds nothing yet. */
function fresh(windowBytes = 1_000, stored: readonly Entry[] = []): RaftLog {
  const reader = { read: (from: LogIndex) => stored.slice(from - 1, from) };
  const base = { index: LogIndex(0), term: Term(0) };
  const last = stored.at(-1);
  const opening = {
    base,
    lastIndex: last?.index ?? LogIndex(0),
    lastTerm: last?.term ?? Term(0),
  };
  return new RaftLog(reader, opening, windowBytes);
}

test("the late acknowledgement of an overwritten entry counts for nothing (L2, the ABA race)", (t) => {
  const log = fresh();
  log.append([entry(1, 1), entry(2, 1)]);
  log.writing(1);
  // Another leader replaces the second entry, and then the first leader's own is back again.
  for (const [write, term] of [
    [2, 2],
    [3, 3],
  ] as const) {
    log.truncateFrom(LogIndex(2));
    log.append([entry(2, term)]);
    log.writing(write);
  }
  const durable = [1, 2, 3].map((write) => {
    log.persisted(write);
    return log.durableIndex as number;
  });
  t.deepEqual(durable, [1, 1, 2]);
});

test("an overwritten entry is not durable, though an earlier write of it was", (t) => {
  const log = fresh(1_000, [entry(1, 1), entry(2, 1)]);
  log.truncateFrom(LogIndex(2));
  log.append([entry(2, 2)]);
  t.is(log.durableIndex, LogIndex(1));
});

test("nothing of a restored log is durable before its own write is (L1)", (t) => {
  const log = fresh();
  log.append([entry(1, 1), entry(2, 1)]);
  log.writing(1);
  log.restore({ index: LogIndex(9), term: Term(3) });
  log.append([entry(10, 3)]);
  log.writing(2);
  log.persisted(1);
  t.is(log.durableIndex, LogIndex(0));
  log.persisted(2);
  t.is(log.durableIndex, LogIndex(10));
  t.is(log.term(LogIndex(9)), Term(3));
  t.is(log.slice(LogIndex(9), 1), undefined);
});

test("entries leave the window only when durable (L3)", (t) => {
  const log = fresh(100);
  const entries = [1, 2, 3, 4, 5, 6].map((index) => entry(index, 1));
  log.append(entries);
  log.writing(1);
  t.deepEqual(log.slice(LogIndex(1), 1_000), entries);
  log.persisted(1);
  t.is(log.lastIndex, LogIndex(6));
  t.deepEqual(log.slice(LogIndex(6), 1_000), entries.slice(5));
});

test("a base that is older than the log's is old news", (t) => {
  const log = fresh(
    100,
    [1, 2, 3, 4].map((index) => entry(index, 1)),
  );
  log.compacted({ index: LogIndex(3), term: Term(1) });
  log.compacted({ index: LogIndex(2), term: Term(1) });
  t.is(log.base.index, LogIndex(3));
  t.is(log.slice(LogIndex(3), 1), undefined);
});

test("who takes entries that the log must have is never given none", (t) => {
  const log = fresh();
  log.append([entry(1, 1), entry(2, 1)]);
  t.deepEqual(log.take(LogIndex(1), 0), [entry(1, 1)]);
  t.throws(() => log.take(LogIndex(3), 0), { name: "AssertionFailure" });
  log.restore({ index: LogIndex(9), term: Term(3) });
  t.throws(() => log.take(LogIndex(9), 0), { name: "AssertionFailure" });
});
