/**
 * The documents say what the code does: each test compares a part of one with where the truth is, in both directions
 * where that can be, so that a change of the code without its document fails here.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import test from "ava";
import { exitCodeOf } from "../../src/cli/exit-codes.ts";
import { inputErrors } from "../../src/scheduler/results.ts";
import { operationSchemas } from "../../src/machine/schemas.ts";
import { idunno } from "../cli/world.ts";

const documents = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  ...(await readdir("docs", { recursive: true }))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];
const texts = new Map(
  await Promise.all(documents.map(async (path) => [path, await readFile(path, "utf8")] as const)),
);

function document(path: string): string {
  return texts.get(path) ?? "";
}

/** The first group of every match. */
function all(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, found = ""]) => found);
}

async function sources(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const files = names.toSorted().map(async (name) => readFile(join(folder, name), "utf8"));
  return (await Promise.all(files)).join("\n");
}

/** The part of a document under a heading, up to the next one of that level or a higher one. */
function section(text: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const from = text.indexOf(`\n${heading}\n`);
  if (from < 0) return "";
  const body = text.slice(from + heading.length + 2);
  const end = body.search(new RegExp(`^#{1,${level}} `, "m"));
  return end < 0 ? body : body.slice(0, end);
}

/** The cells of the rows of all tables in a text, without heads. */
function tableRows(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .filter((cells, i, rows) => !isRule(cells) && !isRule(rows[i + 1] ?? []));
}

function isRule(cells: readonly string[]): boolean {
  return cells.length > 0 && cells.every((cell) => /^:?-+:?$/.test(cell));
}

test("errors.md has every error code, with its HTTP status and exit code, and no other", async (t) => {
  const server = await readFile("src/node/http/server.ts", "utf8");
  const statuses = new Map(
    [...server.matchAll(/^ {2}([A-Z_]+): (\d{3}),$/gm)].map(([, code, status]) => [code, status]),
  );
  const written = [
    ...document("docs/errors.md").matchAll(/^### `([A-Z_]+)`\n\nHTTP (\d+) · exit (\d+)/gm),
  ].map(([, code, status, exit]) => `${code}: HTTP ${status}, exit ${exit}`);
  const wanted = Object.entries(exitCodeOf).map(
    ([code, exit]) => `${code}: HTTP ${statuses.get(code)}, exit ${exit}`,
  );
  t.deepEqual(written.toSorted(), wanted.toSorted());
  t.is(all(document("docs/errors.md"), /^### `([A-Z_]+)`/gm).length, wanted.length);
});

test("errors.md says of each error code what it carries", async (t) => {
  const source = await readFile("src/lib/errors.ts", "utf8");
  const carried = new Map(
    [...source.matchAll(/^ {2}([A-Z_]+): (\{\s+readonly [^}]*\});$/gm)].map(
      ([, code, fields = ""]) => [code, all(fields, /readonly (\w+)\??:/g).join()],
    ),
  );
  for (const [code] of Object.entries(exitCodeOf)) {
    const text = section(document("docs/errors.md"), `### \`${code}\``);
    const line = /details (.*)$/m.exec(text)?.[1] ?? "";
    t.is(all(line, /`(\w+)`/g).join(), carried.get(code) ?? "not in the source", code);
  }
});

test("errors.md has every error of an input with its text", (t) => {
  const rows = tableRows(section(document("docs/errors.md"), "## Errors of single inputs"));
  t.deepEqual(
    Object.fromEntries(rows.map(([code = "", message]) => [code.replaceAll("`", ""), message])),
    inputErrors,
  );
});

// --- commands -------------------------------------------------------------------------------------------------------

interface Mentioned {
  readonly where: string;
  readonly words: readonly string[];
}

/** Every `idunno …` in code, inline or in a block, up to what the shell would take as its end. */
function mentionedCommands(): Mentioned[] {
  const found: Mentioned[] = [];
  for (const [where, text] of texts) {
    const blocks = all(text, /^```(?:sh|ini)\n([\s\S]*?)^```/gm).join("\n");
    const inline = all(text.replaceAll(/^```[\s\S]*?^```/gm, ""), /`([^`\n]+)`/g);
    for (const code of [blocks.replaceAll("\\\n", " "), ...inline])
      for (const command of all(code, /(?:^|[\s$(])(?:idunno|main\.js) ([^\n]*)/gm))
        found.push({ where, words: wordsOf(command) });
  }
  return found;
}

function wordsOf(command: string): string[] {
  const [upToShell = ""] = command.split(/\s(?:[|>#;&]|\|\|)|\)/, 1);
  return upToShell.split(/\s+/).filter((word) => word !== "");
}

const helps = new Map<string, Promise<string>>();

/** What `--help` says of a command; empty when there is none: commander then shows the help of the group. */
async function helpOf(path: readonly string[]): Promise<string> {
  const name = ["idunno", ...path].join(" ");
  const cached = helps.get(name);
  if (cached !== undefined) return cached;
  const asked = idunno([...path, "--help"]).then(({ out }) =>
    out.startsWith(`Usage: ${name} `) ? out : "",
  );
  helps.set(name, asked);
  return asked;
}

function subcommands(help: string): string[] {
  const list = /^Commands:\n((?: {2,}.*\n)+)/m.exec(help)?.[1] ?? "";
  return all(list, /^ {2}([a-z][a-z-]*)/gm).filter((name) => name !== "help");
}

test("every command and option that a document mentions exists", async (t) => {
  const mentioned = mentionedCommands();
  t.true(mentioned.length > 40, "the documents mention commands");
  const root = await helpOf([]);
  for (const { where, words } of mentioned) {
    const path: string[] = [];
    let help = root;
    for (const word of words) {
      const below = subcommands(help);
      if (below.length === 0 || !/^[a-z]/.test(word)) break;
      t.true(below.includes(word), `${where}: idunno ${words.join(" ")}: no ${word}`);
      path.push(word);
      help = await helpOf(path);
    }
    for (const option of words.filter((word) => /^--?[a-z]/.test(word)))
      t.regex(
        `${help}\n${root}`,
        new RegExp(`(?:^|[\\s,])${option}(?:[\\s,]|$)`, "m"),
        `${where}: idunno ${words.join(" ")}: no ${option}`,
      );
  }
});

test("the README names every command", async (t) => {
  const text = section(document("README.md"), "## Commands");
  const named = new Set(all(text, /`idunno ([a-z -]+)`/g));
  const existing: string[] = [];
  for (const group of subcommands(await helpOf([]))) {
    const below = subcommands(await helpOf([group]));
    existing.push(...(below.length === 0 ? [group] : below.map((name) => `${group} ${name}`)));
  }
  t.deepEqual([...named].toSorted(), existing.toSorted());
});

test("every exit code is in operations.md", async (t) => {
  const source = await readFile("src/cli/exit-codes.ts", "utf8");
  const rows = tableRows(section(document("docs/operations.md"), "## Exit codes"));
  t.deepEqual(
    rows.map(([code]) => code),
    all(source, /^ {2}\w+: (\d+),$/gm),
  );
});

// --- links ----------------------------------------------------------------------------------------------------------

/** The anchors that GitHub gives the headings of a document. */
function anchors(text: string): string[] {
  return all(text.replaceAll(/^```[\s\S]*?^```/gm, ""), /^#+ (.*)$/gm).map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );
}

for (const [path, text] of texts)
  test(`every link of ${path} leads somewhere`, (t) => {
    const links = all(text.replaceAll(/^```[\s\S]*?^```/gm, ""), /\]\(([^)\s]+)\)/g);
    for (const link of links.filter((each) => !/^[a-z]+:/.test(each))) {
      const [file = "", anchor] = link.split("#", 2);
      const target = file === "" ? path : join(dirname(path), file);
      t.true(existsSync(resolve(target)), `${link}: no ${target}`);
      if (anchor !== undefined)
        t.true(anchors(document(target)).includes(anchor), `${link}: no heading #${anchor}`);
    }
    t.pass();
  });

// --- architecture, protocol, storage, rules ---------------------------------------------------------------------------

test("the layers of ARCHITECTURE.md are those that the architecture test enforces", async (t) => {
  const source = await readFile("test/architecture.test.ts", "utf8");
  const body = /const layers: [^=]*= \{\n([\s\S]*?)\n\};/.exec(source)?.[1] ?? "";
  const enforced = [...body.matchAll(/^ {2}(\w+): \[(.*)\],$/gm)].map(
    ([, folder, allowed = ""]) => [folder, all(allowed, /"(\w+)"/g).join()],
  );
  t.true(enforced.length >= 10);
  const rows = tableRows(section(document("ARCHITECTURE.md"), "## Layers"));
  const shown = rows.map(([folder = "", allowed = ""]) => [
    folder.replaceAll("`", ""),
    all(allowed, /`(\w+)`/g).join(),
  ]);
  t.deepEqual(shown, enforced);
});

/** `GET /v1/jobs/ID` and `GET /v1/jobs/:id` alike. */
function route(method: string, path: string): string {
  return `${method.toUpperCase()} ${path.replaceAll(/:\w+|\b[A-Z]+\b/g, "*")}`;
}

test("protocol.md has exactly the routes of the interface, and those are the ones that the server has", async (t) => {
  const table = await readFile("src/lib/api/routes.ts", "utf8");
  const planned = [...table.matchAll(/^ \* \| ([A-Z]+) (\/v1\/[^|]*?) +\|/gm)].flatMap(
    ([, method = "", paths = ""]) => paths.split(", ").map((path) => route(method, path)),
  );
  const code = await sources("src/node/http");
  const served = [
    ...code.matchAll(/\bapp\s*\.(get|put|post|patch|delete)(?:<[^(]*>)?\(\s*"([^"]+)"/g),
  ].map(([, method = "", path = ""]) => route(method, path));
  const written = all(document("docs/protocol.md"), /^\| `([A-Z]+ \/[^`]+)`/gm).map((each) => {
    const [method = "", path = ""] = each.split(" ");
    return route(method, path);
  });
  t.true(planned.length > 20);
  t.deepEqual(written.toSorted(), served.toSorted());
  t.deepEqual(written.filter((each) => each.includes(" /v1/")).toSorted(), planned.toSorted());
});

test("protocol.md has every request between nodes and every raft message, in the order of its number", async (t) => {
  const control = await readFile("src/node/control.ts", "utf8");
  const body = /const requests = \{\n([\s\S]*?)\n\} as const/.exec(control)?.[1] ?? "";
  const requests = all(body, /^ {2}(\w+): /gm);
  t.true(requests.length > 5);
  const rows = tableRows(section(document("docs/protocol.md"), "### Requests"));
  t.deepEqual(
    rows.map(([, kind = ""]) => kind.replaceAll("`", "")).toSorted(),
    requests.toSorted(),
  );
  const codec = await readFile("src/net/raft-codec.ts", "utf8");
  const kinds = all(/const kinds = \[([^\]]*)\]/.exec(codec)?.[1] ?? "", /"(\w+)"/g);
  const messages = tableRows(section(document("docs/protocol.md"), "### Raft messages"));
  t.deepEqual(
    messages.map(([number, kind]) => [number, kind]),
    kinds.map((kind, i) => [String(i), `\`${kind}\``]),
  );
});

test("storage-format.md has every command and every table", async (t) => {
  const text = document("docs/storage-format.md");
  const commands = tableRows(section(text, "## Commands")).map(([kind]) => kind);
  t.deepEqual(
    commands,
    Object.keys(operationSchemas).map((kind) => `\`${kind}\``),
  );
  const code = `${await sources("src/machine")}${await sources("src/scheduler")}${await sources("src/sdfs/catalog")}`;
  const tables = new Set(all(code, /new Table(?:<\w+>)?\("(\w+)"\)/g));
  const rows = tableRows(section(text, "## State rows"));
  t.deepEqual(
    rows.map(([key = ""]) => /^`(\w+)\//.exec(key)?.[1] ?? key).toSorted(),
    [...tables].toSorted(),
  );
  const hot = /const hotTables: [^[]*\[([^\]]*)\]/.exec(code)?.[1] ?? "";
  t.deepEqual(
    rows
      .filter(([, , kept]) => kept === "yes")
      .map(([key = ""]) => /^`(\w+)/.exec(key)?.[1] ?? key)
      .toSorted(),
    all(hot, /"(\w+)"/g).toSorted(),
  );
});

test("raft.md states exactly the rules that the code states", async (t) => {
  const stated = async (file: string): Promise<string[]> =>
    all(await readFile(file, "utf8"), /^ \* {1,2}([RLM]\d+) /gm);
  const wanted = [
    ...(await stated("src/raft/state.ts")),
    ...(await stated("src/raft/log.ts")),
    ...(await stated("src/node/stores/mark.ts")),
  ];
  t.true(wanted.length >= 15);
  t.deepEqual(all(document("docs/raft.md"), /^- \*\*([RLM]\d+)\*\*/gm), wanted);
});

test("operations.md has every event that a node logs above debug, at its level", async (t) => {
  const code = `${await sources("src/node")}${await sources("src/inference")}`;
  const logged = [
    ...code.matchAll(/\blog\.(info|warn|error)\(\s*"([a-z-]+)"/g),
    ...code.matchAll(/level: "(info|warn|error)",\s*event: "([a-z-]+)"/g),
  ].map(([, level, event]) => `${event} ${level}`);
  const rows = tableRows(section(document("docs/operations.md"), "## Logs"));
  t.deepEqual(
    rows.map(([event = "", level]) => `${event.replaceAll("`", "")} ${level}`).toSorted(),
    [...new Set(logged)].toSorted(),
  );
});

test("every environment variable of ours is in operations.md", async (t) => {
  const used = new Set(all(await sources("src"), /env\["(IDUNNO_[A-Z_]+|UV_[A-Z_]+)"\]/g));
  const rows = tableRows(section(document("docs/operations.md"), "## Environment"));
  t.deepEqual(rows.map(([name = ""]) => name.replaceAll("`", "")).toSorted(), [...used].toSorted());
});

test("the changelog has the version of the package, and decisions are numbered without gaps", async (t) => {
  const { version } = JSON.parse(await readFile("package.json", "utf8")) as { version: string };
  t.regex(document("CHANGELOG.md"), new RegExp(`^## .*\\b${version.replaceAll(".", "\\.")}`, "m"));
  const decisions = (await readdir("docs/decisions")).toSorted();
  for (const [i, name] of decisions.entries()) {
    t.true(name.startsWith(`${String(i + 1).padStart(4, "0")}-`), name);
    const text = document(join("docs/decisions", name));
    t.true(text.startsWith(`# ${i + 1}. `), name);
    t.deepEqual(all(text, /^## (.*)$/gm), ["Context", "Decision", "Consequences"], name);
  }
});
