/** XML as text: elements whose attributes and contents are always escaped. */

/** An element, ready to be put in another. Made by {@link element} only. */
export interface Xml {
  readonly xml: string;
}

/** Characters that XML 1.0 cannot have at all, lone surrogates among them. */
const impossible = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

export function escapeXml(text: string): string {
  return text
    .replaceAll(impossible, "\uFFFD")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** Numbers are rounded to a tenth: enough for pixels, and the same on every machine. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>> = {},
  ...contents: readonly (Xml | string)[]
): Xml {
  const listed = Object.entries(attributes).map(([key, value]) => {
    const text = typeof value === "number" ? String(Math.round(value * 10) / 10) : value;
    return ` ${key}="${escapeXml(text)}"`;
  });
  const inner = contents.map((each) => (typeof each === "string" ? escapeXml(each) : each.xml));
  const open = `<${name}${listed.join("")}`;
  return { xml: inner.length === 0 ? `${open}/>` : `${open}>${inner.join("")}</${name}>` };
}
