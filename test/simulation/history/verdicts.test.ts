/** Histories of which it is known whether they are linearizable. */
import test from "ava";
import {
  type FileOperation,
  type RegisterOperation,
  cas,
  found,
  missing,
  put,
  read,
  remove,
  unset,
  write,
} from "./histories.ts";
import { checkLinearizable } from "./linearizability.ts";
import { fileModel, register } from "./models.ts";

type Cases<T> = Readonly<Record<string, readonly T[]>>;

const maxStates = 1_000;

const fineSettings: Cases<RegisterOperation> = {
  "nothing happened": [],
  "a read finds what was written before it": [write("a", [0, 1]), read("a", [2, 3])],
  "a read of what nobody wrote finds nothing": [read(undefined, [0, 1])],
  "a read beside a write finds the old value": [write("a", [0, 9]), read(undefined, [3, 4])],
  "a read beside a write finds the new value": [write("a", [0, 9]), read("a", [3, 4])],
  "the later of two writes that overlap may be placed first": [
    write("a", [0, 10]),
    write("b", [5, 15]),
    read("a", [20, 21]),
  ],
  "reads beside one write go from old to new": [
    write("a", [0, 9]),
    read(undefined, [1, 2]),
    read("a", [3, 4]),
  ],
  "operations that meet in a moment overlap": [write("a", [5, 9]), read("a", [3, 5])],
  "of two equal conditions one holds": [
    write("a", [0, 1]),
    cas("a", "b", "ok", [2, 9]),
    cas("a", "c", "conflict", [3, 8]),
    read("b", [10, 11]),
  ],
  "conditions chain in whatever order they were called": [
    cas("b", "c", "ok", [0, 9]),
    cas("a", "b", "ok", [1, 9]),
    write("a", [2, 9]),
    read("c", [10, 11]),
  ],
  "an unknown write takes effect late": [
    write("a", [0, 1]),
    write("b", [2]),
    read("a", [10, 11]),
    read("b", [20, 21]),
  ],
  "an unknown write never takes effect": [write("a", [0, 1]), write("b", [2]), read("a", [90, 91])],
  "an unknown write takes effect between two others": [
    write("a", [0, 1]),
    write("b", [2]),
    read("b", [3, 4]),
    write("c", [5, 6]),
    read("c", [7, 8]),
  ],
  "an unknown removal lets another find nothing": [
    write("a", [0, 1]),
    unset("ok", [2]),
    unset("not-found", [3, 4]),
  ],
  "an unknown write that nobody read lets a condition fail": [
    write("a", [0, 1]),
    write("b", [2]),
    cas("a", "c", "conflict", [3, 4]),
  ],
  "an unknown condition holds late": [
    cas("a", "b", "ok", [0]),
    write("a", [1, 2]),
    read("a", [3, 4]),
    read("b", [5, 6]),
  ],
  "keys have nothing to do with each other": [
    write("a", [0, 1], "x"),
    write("b", [2, 3], "y"),
    read("a", [4, 5], "x"),
    read("b", [4, 5], "y"),
  ],
};

const wrongSettings: Cases<RegisterOperation> = {
  "a stale read": [write("a", [0, 1]), write("b", [2, 3]), read("a", [4, 5])],
  "a write that is lost": [write("a", [0, 1]), read(undefined, [2, 3])],
  "a value seen, then unseen, beside its write": [
    write("a", [0, 1]),
    write("b", [2, 20]),
    read("b", [3, 4]),
    read("a", [5, 6]),
  ],
  "a read from the future": [read("a", [0, 1]), write("a", [2, 3])],
  "a read of an unknown write from the future": [read("a", [0, 1]), write("a", [2])],
  "a value that nobody wrote": [write("a", [0, 1]), read("z", [2, 3])],
  "two equal conditions that both held": [
    write("a", [0, 1]),
    cas("a", "b", "ok", [2, 9]),
    cas("a", "c", "ok", [3, 8]),
  ],
  "a condition that failed though nobody was there": [
    write("a", [0, 1]),
    cas("a", "b", "conflict", [2, 3]),
  ],
  "two readers who saw two writes in two orders": [
    write("a", [0, 50]),
    write("b", [0, 50]),
    read("a", [1, 2]),
    read("b", [3, 4]),
    read("a", [5, 6]),
  ],
  "an unknown write that flips back": [
    write("a", [0, 1]),
    write("b", [2]),
    read("b", [3, 4]),
    read("a", [5, 6]),
  ],
  "an unknown write that takes effect twice": [
    write("a", [0, 1]),
    write("b", [2]),
    read("b", [3, 4]),
    write("c", [5, 6]),
    read("b", [7, 8]),
  ],
  "a removal that found nothing, and something after it": [
    write("a", [0, 1]),
    unset("not-found", [2, 3]),
  ],
  "a stale read on the second key": [
    write("a", [0, 1], "x"),
    write("a", [0, 1], "y"),
    read(undefined, [2, 3], "y"),
  ],
};

const fineFiles: Cases<FileOperation> = {
  "versions rise by one": [put("a", 1, [0, 1]), put("b", 2, [2, 3]), found(2, "b", [4, 5])],
  "versions go on after a removal": [
    put("a", 1, [0, 1]),
    remove("removed", [2, 3]),
    missing([4, 5]),
    put("b", 2, [6, 7]),
  ],
  "version 0 is required of a file that was removed": [
    put("a", 1, [0, 1], 0),
    remove("removed", [2, 3]),
    put("b", "conflict", [4, 5], 1),
    put("b", 2, [6, 7], 0),
  ],
  "an unknown put takes the number between": [
    put("a", 1, [0, 1]),
    put("b", 0, [2]),
    put("c", 3, [3, 4]),
  ],
  "an unknown put is read much later": [
    put("a", 1, [0, 1]),
    put("b", 0, [2]),
    found(1, "a", [50, 51]),
    found(2, "b", [60, 61]),
  ],
  "two unknown puts of the same": [put("a", 0, [0]), put("a", 0, [1]), found(2, "a", [9, 10])],
  "an unknown put whose condition has come to hold": [
    put("b", 0, [0], 1),
    put("a", 1, [1, 2]),
    found(2, "b", [9, 10]),
  ],
  "a put that did not find what it had stored": [
    put("a", "not-found", [0, 9]),
    remove("removed", [3, 4]),
    put("b", 2, [10, 11]),
  ],
  "a look without the content": [put("a", 1, [0, 1]), found(1, undefined, [2, 3])],
};

const wrongFiles: Cases<FileOperation> = {
  "a number given twice": [put("a", 1, [0, 9]), put("b", 1, [0, 9])],
  "a number left out": [put("a", 1, [0, 1]), put("b", 3, [2, 3])],
  "numbers that begin anew after a removal": [
    put("a", 1, [0, 1]),
    remove("removed", [2, 3]),
    put("b", 1, [4, 5]),
  ],
  "another version's content": [put("a", 1, [0, 1]), put("b", 2, [2, 3]), found(2, "a", [4, 5])],
  "an older version's number": [
    put("a", 1, [0, 1]),
    put("b", 2, [2, 3]),
    found(1, undefined, [4, 5]),
  ],
  "an update that was lost": [put("a", 1, [0, 1]), put("b", 2, [2, 9], 1), put("c", 3, [2, 9], 1)],
  "a removed file that can be read": [
    put("a", 1, [0, 1]),
    remove("removed", [2, 3]),
    found(1, "a", [4, 5]),
  ],
  "a condition refused for no reason": [put("a", 1, [0, 1]), put("b", "conflict", [2, 3], 1)],
  "a conflict without a condition": [put("a", "conflict", [0, 1])],
  "an unknown put that is both there and not": [
    put("a", 1, [0, 1]),
    put("b", 0, [2]),
    found(2, "b", [3, 4]),
    put("c", 2, [5, 6]),
  ],
  "an unknown put from before a number that leaves it no room": [
    put("b", 0, [0]),
    put("a", 1, [1, 2]),
    put("c", 2, [3, 4]),
    found(2, "b", [5, 6]),
  ],
};

for (const [title, history] of Object.entries(fineSettings))
  test(`a setting is linearizable when ${title}`, (t) => {
    t.deepEqual(checkLinearizable(register, history, { maxStates }), { kind: "linearizable" });
  });

for (const [title, history] of Object.entries(wrongSettings))
  test(`a setting is not linearizable with ${title}`, (t) => {
    t.is(checkLinearizable(register, history, { maxStates }).kind, "violation");
  });

for (const [title, history] of Object.entries(fineFiles))
  test(`a file is linearizable: ${title}`, (t) => {
    t.deepEqual(checkLinearizable(fileModel, history, { maxStates }), { kind: "linearizable" });
  });

for (const [title, history] of Object.entries(wrongFiles))
  test(`a file is not linearizable with ${title}`, (t) => {
    t.is(checkLinearizable(fileModel, history, { maxStates }).kind, "violation");
  });
