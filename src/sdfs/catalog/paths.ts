/**
 * Which paths SDFS takes. Strict, because paths become keys, file names on other systems and lines of listings: what is
 * allowed looks the same everywhere and can be given back on any command line.
 */

/** Bytes of a path in UTF-8. Listings and manifests stay small; Linux has 4,096 for a whole path, 255 for a segment. */
export const pathBytesLimit = 1_024;

/** Why a path is refused, and what to do; undefined when it is fine. */
export function checkPath(
  path: string,
): { readonly why: string; readonly remedy: string } | undefined {
  const bytes = utf8Bytes(path);
  if (bytes === undefined) return { why: "it is not valid Unicode", remedy: "give it as UTF-8" };
  if (bytes > pathBytesLimit)
    return { why: `it has ${bytes} bytes`, remedy: `use at most ${pathBytesLimit}` };
  if (/\p{Cc}/u.test(path))
    return { why: "it has control characters", remedy: "leave out line ends, tabs and the like" };
  for (const segment of path.split("/")) {
    if (segment === "")
      return {
        why: 'it is empty, or begins or ends with "/", or has two in a row',
        remedy: 'write it like "photos/cat.jpg"',
      };
    if (segment === "." || segment === "..")
      return { why: `it has a segment "${segment}"`, remedy: "name the folder itself" };
  }
  return undefined;
}

/** Length in UTF-8; undefined when a surrogate stands alone and the text has no UTF-8 form. */
function utf8Bytes(text: string): number | undefined {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0; // unreachable: no character is empty
    if (point >= 0xd800 && point <= 0xdfff) return undefined;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
