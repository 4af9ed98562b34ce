import test from "ava";
import fc from "fast-check";
import { holds } from "../../lib/property.ts";
import { checkPath, pathBytesLimit } from "../../../src/sdfs/catalog/paths.ts";

test("ordinary paths are taken, in any script", (t) => {
  const good = ["a", "photos/cat.jpg", "a b/ü/猫/🐈", "...", ".hidden", "a.", "x".repeat(1_024)];
  for (const path of good) t.is(checkPath(path), undefined, path);
});

test("paths that mean something else elsewhere are refused, with a remedy", (t) => {
  const bad = [
    "",
    "/a",
    "a/",
    "a//b",
    "/",
    ".",
    "..",
    "a/./b",
    "a/../b",
    "a\nb",
    "a\u0000",
    "a\u0085",
  ];
  for (const path of [...bad, "\ud800", "a\udc00b", "x".repeat(1_025), "猫".repeat(342)]) {
    const wrong = checkPath(path);
    t.truthy(wrong?.why, JSON.stringify(path));
    t.truthy(wrong?.remedy);
  }
});

/** What the design says, in its own words. */
function isAllowed(path: string): boolean {
  const bytes = new TextEncoder().encode(path);
  const codes = Array.from(path, (character) => character.codePointAt(0) ?? 0);
  return (
    new TextDecoder().decode(bytes) === path.replace(/^\ufeff/, "") &&
    bytes.length <= 1_024 &&
    codes.every((code) => code >= 0x20 && !(code >= 0x7f && code <= 0x9f)) &&
    path.split("/").every((segment) => segment.length > 0 && segment !== "." && segment !== "..")
  );
}

test("exactly the paths that the design names are taken", (t) => {
  const piece = fc.oneof(
    fc.constantFrom(
      "/",
      ".",
      "..",
      "a",
      "猫",
      "\u007f",
      "\u009f",
      "\u00a0",
      "\ud83d",
      "\udc08",
      "\n",
    ),
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.string({ unit: "grapheme", maxLength: 6 }),
  );
  const long = fc
    .tuple(fc.constantFrom("x", "é", "猫", "🐈"), fc.integer({ min: -2, max: 2 }), fc.nat(3))
    .map(([of, more, before]) => {
      const each = new TextEncoder().encode(of).length;
      return "y".repeat(before) + of.repeat(Math.floor((pathBytesLimit - before) / each) + more);
    });
  const path = fc.oneof(
    fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join("")),
    fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join("/")),
    long,
  );
  const seen = { taken: 0, refused: 0 };
  holds(
    t,
    fc.property(path, (given) => {
      const isTaken = checkPath(given) === undefined;
      t.is(isTaken, isAllowed(given), JSON.stringify(given));
      seen[isTaken ? "taken" : "refused"] += 1;
    }),
    2_000,
  );
  t.true(Math.min(seen.taken, seen.refused) > 100, JSON.stringify(seen));
});
