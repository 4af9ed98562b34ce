/** Whether a text is XML that any reader takes, of the plain sort that we write: no comments, no CDATA, no doctype. */

const tag = /^<(\/?)([A-Za-z][\w-]*)((?: [A-Za-z][\w:-]*="[^"<]*")*)(\/?)>/;
const content = /^[^<]+/;
const looseAmpersand = /&(?!(?:amp|lt|gt|quot);)/;
const impossible = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

/** @returns what is wrong with it; undefined when nothing is */
export function xmlProblem(xml: string): string | undefined {
  if (impossible.test(xml)) return "a character that XML cannot have";
  if (looseAmpersand.test(xml)) return "an ampersand that stands for nothing";
  const open: string[] = [];
  let roots = 0;
  for (let rest = xml.trimEnd(); rest !== "";) {
    const text = content.exec(rest)?.[0];
    if (text !== undefined && open.length === 0) return `text outside the root: ${text}`;
    const match = text === undefined ? tag.exec(rest) : undefined;
    if (text === undefined && !match) return `no tag: ${rest.slice(0, 60)}`;
    rest = rest.slice((text ?? match?.[0] ?? "").length);
    if (!match) continue;
    const [, closes, name = "", attributes = "", isEmpty] = match;
    if (closes === "/") {
      if (open.pop() !== name) return `</${name}> closes something else`;
      continue;
    }
    const names = [...attributes.matchAll(/ ([\w:-]+)=/g)].map(([, each]) => each);
    if (new Set(names).size < names.length) return `an attribute of <${name}> twice`;
    if (open.length === 0) roots += 1;
    if (isEmpty !== "/") open.push(name);
  }
  if (open.length > 0) return `<${open.join("><")}> left open`;
  return roots === 1 ? undefined : `${roots} roots`;
}
