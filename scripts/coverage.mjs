/**
 * Which branches of the pure core the unit and simulation tests take: `npm run coverage`. Fails when a folder has less
 * than 95 %.
 *
 * A branch point is an `if`, a `?:`, a `case`, or the right-hand side of `&&`, `||` and `??`. Each way out of it is a
 * branch, the `else` that nobody wrote included: the points come from the syntax tree of the compiled code, and how
 * often each way was taken from V8, which by itself leaves out every block that ran as often as what is around it.
 *
 * A branch that nothing can reach says so in the source, behind it or on the line above: `// unreachable: <reason>`.
 * It counts neither way; such a note where every branch is reached is an error.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parse } from "acorn";

const root = fileURLToPath(new URL("../", import.meta.url));
/** What must be covered, and the tests that do it: all in one thread, without clock or disk. */
const folders = ["src/raft", "src/scheduler", "src/machine", "src/sdfs/catalog"];
const tests = ["test/raft", "test/scheduler", "test/machine", "test/sdfs/catalog", "test/lib"];
/** Percent of branches, of each folder. */
const wanted = 95;

/** Runs the tests; every process leaves a file of counts. */
function measure() {
  const directory = mkdtempSync(join(tmpdir(), "idunno-coverage-"));
  try {
    const { status } = spawnSync(
      process.execPath,
      [join(root, "node_modules/ava/entrypoints/cli.mjs"), ...tests],
      {
        cwd: root,
        stdio: ["ignore", "ignore", "inherit"],
        env: { ...process.env, NODE_V8_COVERAGE: directory },
      },
    );
    if (status !== 0) throw new Error("the tests fail: `npm test` says which");
    return readdirSync(directory).map((name) => JSON.parse(readFileSync(join(directory, name))));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Per compiled file, the ranges that each process counted, the innermost last. */
function rangesByFile(reports) {
  const found = new Map();
  for (const { result } of reports)
    for (const { url, functions } of result) {
      if (!folders.some((folder) => url.startsWith(distUrl(`${folder}/`)))) continue;
      const ranges = functions.flatMap((each) => each.ranges);
      // The larger range is around the smaller one, or beside it.
      ranges.sort((a, b) => b.endOffset - b.startOffset - (a.endOffset - a.startOffset));
      found.set(url, [...(found.get(url) ?? []), ranges]);
    }
  return found;
}

function distUrl(path) {
  return pathToFileURL(join(root, "dist", path)).href;
}

/** How often the code at a place ran, in all processes together. */
function counter(processes) {
  return (offset) => {
    let sum = 0;
    for (const ranges of processes)
      sum += ranges.findLast((r) => r.startOffset <= offset && offset < r.endOffset)?.count ?? 0;
    return sum;
  };
}

/** The branches of a syntax tree: where each begins in the compiled code, what it is, and how often it was taken. */
function* branchesOf(node, ran) {
  if (Array.isArray(node)) for (const each of node) yield* branchesOf(each, ran);
  if (typeof node?.type !== "string") return;
  const at = node.start;
  switch (node.type) {
    case "IfStatement":
    case "ConditionalExpression": {
      const then = ran(node.consequent.start);
      const other = node.alternate ? ran(node.alternate.start) : ran(at) - then;
      yield { at, way: "never true", taken: then };
      yield { at, way: "never false", taken: other };
      break;
    }
    case "LogicalExpression": {
      const right = ran(node.right.start);
      const what = `right side of ${node.operator}`;
      yield { at: node.right.start, way: `${what} never runs`, taken: right };
      yield { at: node.right.start, way: `${what} always runs`, taken: ran(at) - right };
      break;
    }
    case "SwitchCase": {
      const name = node.test === null ? "default" : "case";
      yield { at, way: `${name} never`, taken: ran(node.consequent[0]?.start ?? at) };
      break;
    }
  }
  for (const value of Object.values(node))
    if (typeof value === "object") yield* branchesOf(value, ran);
}

/** Covered, missing and excused branches of one source file. */
function judge(source, processes) {
  const compiled = join(root, "dist", source.replace(/\.ts$/, ".js"));
  const code = readFileSync(compiled, "utf8");
  const map = new SourceMap(JSON.parse(readFileSync(`${compiled}.map`, "utf8")));
  const starts = [0, ...Array.from(code.matchAll(/\n/g), ({ index }) => index + 1)];
  const lineOf = (offset) => {
    const line = starts.findLastIndex((start) => start <= offset);
    return map.findEntry(line, offset - starts[line]).originalLine + 1;
  };
  const tree = parse(code, { ecmaVersion: "latest", sourceType: "module" });
  const notes = notesOf(readFileSync(join(root, source), "utf8").split("\n"));
  const used = new Set();
  const file = { source, covered: 0, missing: [], stale: [] };
  for (const { at, way, taken } of branchesOf(tree, counter(processes))) {
    const line = lineOf(at);
    if (taken > 0) file.covered += 1;
    else if (notes.has(line)) used.add(line);
    else file.missing.push({ line, way });
  }
  file.stale = [...notes].filter((line) => !used.has(line));
  return file;
}

/** The lines that a note excuses: its own, or the next one when it stands alone. */
function notesOf(lines) {
  const notes = new Set();
  for (const [i, text] of lines.entries())
    if (/\/\/ unreachable: \S/.test(text)) notes.add(/^\s*\/\//.test(text) ? i + 2 : i + 1);
  return notes;
}

function sourcesIn(folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .toSorted()
    .map((name) => `${folder}/${name}`);
}

function row(name, covered, missing) {
  const total = covered + missing;
  const percent = total === 0 ? 100 : (100 * covered) / total;
  console.log(
    `${name.padEnd(40)} ${`${covered} / ${total}`.padStart(11)} ${percent.toFixed(1).padStart(6)} %`,
  );
  return percent;
}

const ranges = rangesByFile(measure());
for (const folder of folders) {
  const files = sourcesIn(folder).map((source) =>
    judge(source, ranges.get(distUrl(source.replace(/\.ts$/, ".js"))) ?? []),
  );
  for (const { source, covered, missing, stale } of files) {
    row(`  ${source}`, covered, missing.length);
    for (const { line, way } of missing) console.log(`      ${source}:${line} ${way}`);
    for (const line of stale) console.log(`      ${source}:${line} is reached, says unreachable`);
    if (stale.length > 0) process.exitCode = 1;
  }
  const covered = files.reduce((sum, file) => sum + file.covered, 0);
  const missing = files.reduce((sum, file) => sum + file.missing.length, 0);
  if (row(folder, covered, missing) < wanted) process.exitCode = 1;
}
