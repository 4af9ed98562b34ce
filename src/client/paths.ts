/** Names as parts of a URL. Refuses what a URL parser would fold away: `a/../b` must never come to mean `b`. */
import { IDunnoError } from "../lib/errors.ts";

/** One name as one segment. @throws INVALID for a name that no URL can carry */
export function segment(name: string): string {
  if (name === "" || name === "." || name === "..")
    throw new IDunnoError("INVALID", {
      what: `the name "${name}"`,
      why: "a name may not be empty, . or ..",
      remedy: "write the whole path without such parts",
    });
  try {
    return encodeURIComponent(name);
  } catch (cause) {
    const details = {
      what: `the name ${JSON.stringify(name)}`,
      why: "it is not valid Unicode",
      remedy: "rename it",
    };
    throw new IDunnoError("INVALID", details, { cause });
  }
}

/** An SDFS path as segments. @throws INVALID */
export function segments(path: string): string {
  return path.split("/").map(segment).join("/");
}
