/** What the rounds beside etcd come to. */
import test from "ava";
import { type Result, summarise, type System } from "../../bench/consensus/summary.ts";

const result = (system: System, level: 1 | 64, perSecond: number, p50Ms = 1): Result => ({
  system,
  level,
  perSecond,
  p50Ms,
  p99Ms: 10,
  generatorShare: 0.1,
});

test("ratios are those of the medians, and the target is twice etcd at 64 clients", (t) => {
  const { figures, rows } = summarise([
    ...[100, 300, 110].map((rate) => result("etcd", 64, rate)),
    ...[250, 10, 220].map((rate) => result("peer", 64, rate)),
    result("http", 64, 55),
  ]);
  t.deepEqual(figures["etcd.64.perSecond"], { value: 110, unit: "commits/s" });
  t.deepEqual(figures["peer.64.timesEtcd"], { value: 2, unit: "× etcd", target: 2, met: true });
  t.deepEqual(figures["http.64.timesEtcd"], { value: 0.5, unit: "× etcd" });
  t.false("peer.1.perSecond" in figures);
  t.deepEqual(rows.find(([name]) => name === "64: etcd")?.slice(1, 5), [110, 1, 10, 1]);
});

test("with one client the target is etcd's median latency in the same run", (t) => {
  const met = (etcdMs: number, oursMs: number) =>
    summarise([result("etcd", 1, 1, etcdMs), result("peer", 1, 1, oursMs)]).figures["peer.1.p50Ms"];
  t.deepEqual(met(2, 2), { value: 2, unit: "ms", target: 2, met: true });
  t.deepEqual(met(2, 3), { value: 3, unit: "ms", target: 2, met: false });
});

test("without etcd it says so, and no target is met", (t) => {
  const { figures, rows } = summarise([result("peer", 64, 1_000), result("peer", 1, 100)]);
  t.is(figures["peer.64.timesEtcd"]?.met, false);
  t.is(JSON.stringify(figures["peer.64.timesEtcd"]?.value), "null");
  t.false("met" in (figures["peer.1.p50Ms"] ?? {}));
  t.false(Object.keys(figures).some((name) => name.startsWith("etcd.")));
  t.deepEqual(
    rows.find(([name]) => name === "64: etcd"),
    ["64: etcd", "not measured"],
  );
});
