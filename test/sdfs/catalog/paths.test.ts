import test from "ava";
import { checkPath } from "../../../src/sdfs/catalog/paths.ts";

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
