/** Option values: what is understood, and what is refused. */
import test from "ava";
import {
  bootstrapList,
  duration,
  fileAt,
  hostPort,
  integer,
  jobIds,
  label,
  modelNamed,
  nodeList,
  priority,
  weight,
} from "../../src/cli/options.ts";
import {
  humanBytes,
  humanDuration,
  humanLogTime,
  humanRate,
  plural,
} from "../../src/cli/format.ts";

test("times have units, and are milliseconds without", (t) => {
  t.deepEqual(
    ["250", "250ms", "10s", "1.5m", "1h"].map(duration),
    [250, 250, 10_000, 90_000, 3_600_000],
  );
  for (const text of ["", "0", "-1s", "10 s", "5x", "s", "1e3", "1000h"])
    t.throws(() => duration(text));
});

test("whole numbers keep to their range", (t) => {
  t.is(integer(1, 10)("10"), 10);
  for (const text of ["0", "11", "1.5", "", "x", "+1"]) t.throws(() => integer(1, 10)(text));
});

test("priorities are whole numbers from -10 to 10", (t) => {
  t.deepEqual(["-10", "0", "+3", "10"].map(priority), [-10, 0, 3, 10]);
  for (const text of ["-11", "11", "1.5", "", "high", "--1"]) t.throws(() => priority(text));
});

test("weights are from 0.01 to 100", (t) => {
  t.is(weight("0.5"), 0.5);
  for (const text of ["0", "101", "", " ", "NaN"]) t.throws(() => weight(text));
});

test("nodes are host:port, with commas between them", (t) => {
  t.deepEqual(nodeList("a:1, http://b:2/,[::1]:3"), ["a:1", "b:2", "[::1]:3"]);
  t.deepEqual(hostPort("127.0.0.1:0"), { host: "127.0.0.1", port: 0 });
  for (const text of ["a", "a:", ":1", "a:65536", "a:1:2", "a/b:1", "user@a:1"])
    t.throws(() => hostPort(text), undefined, text);
});

test("the first members are name=host:port, each name once", (t) => {
  t.deepEqual(bootstrapList("n1=a:1,n2=b:2"), [
    { name: "n1", host: "a", port: 1 },
    { name: "n2", host: "b", port: 2 },
  ]);
  for (const text of ["a:1", "n1=a:1,n1=b:1", "N1=a:1", "=a:1", ""])
    t.throws(() => bootstrapList(text));
});

test("labels and job ids add up over repetitions", (t) => {
  t.deepEqual(label("rack=r=1", { zone: "z" }), { zone: "z", rack: "r=1" });
  t.throws(() => label("=x"));
  t.deepEqual(jobIds("j2", ["j1"]), ["j1", "j2"]);
  t.throws(() => jobIds("2"));
});

test("a path may name a version, and may itself end like one", (t) => {
  t.deepEqual(fileAt("a/b"), { path: "a/b", version: undefined });
  t.deepEqual(fileAt("a/b@12"), { path: "a/b", version: 12 });
  t.deepEqual(fileAt("a@2@"), { path: "a@2", version: undefined });
  t.deepEqual(fileAt("a@2@3"), { path: "a@2", version: 3 });
  t.deepEqual(fileAt("me@home"), { path: "me@home", version: undefined });
  t.throws(() => fileAt("a@0"));
});

test("sizes, times and rates read well at every magnitude", (t) => {
  t.deepEqual([0, 1023, 1024, 4 * 1024 ** 2].map(humanBytes), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "4.0 MiB",
  ]);
  t.deepEqual(
    [0, 1.25, 850, 1_000, 59_949, 59_950, 245_000, 7_800_000, 273_600_000].map(humanDuration),
    ["0 ms", "1.3 ms", "850 ms", "1.0 s", "59.9 s", "1 m 00 s", "4 m 05 s", "2 h 10 m", "3 d 04 h"],
  );
  t.is(humanLogTime(61_000), "+1 m 01 s");
  t.is(humanLogTime(Date.UTC(2024, 0, 2, 3, 4, 5)), "2024-01-02T03:04:05Z");
  t.deepEqual([0.05, 99.94, 1234.5].map(humanRate), ["0.1/s", "99.9/s", "1235/s"]);
  t.deepEqual([plural(1, "file"), plural(2, "file")], ["1 file", "2 files"]);
});

test("a model is a name, or a name and a version", (t) => {
  for (const text of ["m", "mobilenet_v2.1-b", "m@1", "m@999999999"]) t.is(modelNamed(text), text);
  for (const text of ["", "M", "m@", "m@0", "m@01", "m@-1", "m@1@2", "@1", "m@1234567890", "a b"])
    t.throws(() => modelNamed(text), { message: /NAME@3/ }, text);
});
