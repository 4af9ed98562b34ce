/** Settings of the cluster as a replica applies them. */
import test from "ava";
import type { Outcome } from "../../src/lib/outcome.ts";
import type { SetSetting } from "../../src/machine/commands.ts";
import { settingOf, settingsLimit, settingValueBytes } from "../../src/machine/settings.ts";
import { cluster, Replica } from "./fixtures.ts";

const codeOf = (outcome: Outcome): string => (outcome.kind === "refused" ? outcome.code : "ok");
const set = (name: string, value?: string): SetSetting => ({ kind: "set-setting", name, value });

test("a setting holds what was set last, and what it is by default once it is taken back", (t) => {
  const replica = cluster(1);
  const { settings } = replica.machine;
  t.is(settingOf(settings, "voters"), "7");
  replica.must(set("voters", "3"));
  replica.must(set("voters", "5"));
  t.is(settingOf(settings, "voters"), "5");
  t.is(settingOf(replica.restarted().machine.settings, "voters"), "5");
  replica.must(set("voters"));
  t.is(settingOf(settings, "voters"), "7");
  t.is(settingOf(replica.restarted().machine.settings, "voters"), "7");
  t.is(codeOf(replica.apply(set("voters")).outcome), "NOT_FOUND");
});

test("voters is a whole number from 1 to 7", (t) => {
  const replica = cluster(1);
  for (const value of ["1", "3", "7"])
    t.is(codeOf(replica.apply(set("voters", value)).outcome), "ok");
  for (const value of ["0", "8", "07", "3.0", " 3", "", "-1", "1e0", "three"])
    t.is(codeOf(replica.apply(set("voters", value)).outcome), "INVALID", value);
  t.is(settingOf(replica.machine.settings, "voters"), "7");
});

test("sdfs-versions is a whole number from 1 to 100, 5 by itself", (t) => {
  const replica = cluster(1);
  t.is(settingOf(replica.machine.settings, "sdfs-versions"), "5");
  for (const value of ["1", "9", "10", "99", "100"])
    t.is(codeOf(replica.apply(set("sdfs-versions", value)).outcome), "ok", value);
  for (const value of ["0", "101", "1000", "05", "5.0", "", "-1", "five"])
    t.is(codeOf(replica.apply(set("sdfs-versions", value)).outcome), "INVALID", value);
  t.is(settingOf(replica.machine.settings, "sdfs-versions"), "100");
});

test("names that begin with x- are free, others must be the cluster's own", (t) => {
  const replica = cluster(1);
  const own = ["x-a", "x-0", "x-deploy.version_2", `x-${"a".repeat(63)}`];
  for (const name of own) t.is(codeOf(replica.apply(set(name, "anything")).outcome), "ok", name);
  const wrong = [
    "x-",
    "x--a",
    "x-A",
    `x-${"a".repeat(64)}`,
    "y-a",
    "voter",
    "constructor",
    "x-a/b",
  ];
  for (const name of wrong) t.is(codeOf(replica.apply(set(name, "1")).outcome), "INVALID", name);
  t.deepEqual([...replica.machine.settings.keys()].toSorted(), own.toSorted());
});

test("a value has at most 4 KiB, counted as UTF-8", (t) => {
  const replica = cluster(1);
  const fits = [
    "a".repeat(settingValueBytes),
    "ü".repeat(settingValueBytes / 2),
    `${"猫".repeat(1_365)}a`,
    "😀".repeat(1_024),
  ];
  for (const value of fits) {
    t.is(Buffer.byteLength(value), settingValueBytes);
    t.is(codeOf(replica.apply(set("x-a", value)).outcome), "ok");
    t.is(codeOf(replica.apply(set("x-a", `${value}.`)).outcome), "TOO_LARGE");
    t.is(settingOf(replica.machine.settings, "x-a"), value);
  }
});

test("there are at most 10,000: a further one has to wait for a place, known ones can be changed", (t) => {
  const replica = new Replica();
  for (let n = 0; n < settingsLimit; n += 1) replica.must(set(`x-${n}`, "1"));
  const full = replica.restarted();
  t.is(codeOf(full.apply(set("x-more", "1"), "5-00000000000000ab").outcome), "BUSY");
  t.is(codeOf(full.apply(set("x-7", "2")).outcome), "ok");
  // Setting what is set, or failing to, must not count.
  t.is(codeOf(full.apply(set("x-more", "1")).outcome), "BUSY");
  full.must(set("x-7"));
  t.is(codeOf(full.apply(set("x-more", "1"), "5-00000000000000ab").outcome), "ok");
  t.is(codeOf(full.apply(set("x-other", "1")).outcome), "BUSY");
  t.is(full.machine.settings.size, settingsLimit);
});

test("setting what is set already changes no row", (t) => {
  const replica = new Replica();
  replica.must(set("x-a", "1"));
  const { mutations } = replica.must(set("x-a", "1"));
  t.deepEqual(
    mutations.map(({ key }) => key),
    ["meta/logTime"],
  );
});

test("a setting that nobody set and the cluster does not know has no value", (t) => {
  const { settings } = cluster(1).machine;
  for (const name of ["x-none", "toString"]) t.is(settingOf(settings, name), undefined);
});
