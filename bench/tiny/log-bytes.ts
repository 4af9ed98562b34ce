/** What was written to the log between two entries: read over HTTP, page by page. */
import type { LogEntryView } from "../../src/lib/api/files.ts";
import { IDunnoError } from "../../src/lib/errors.ts";

/** As much as a page may have. */
const pageEntries = 200;

export interface LogSpan {
  /** First and last index, both counted. */
  readonly from: number;
  readonly to: number;
}

type ReadPage = (page: {
  readonly from: number;
  readonly limit: number;
}) => Promise<{ readonly entries: readonly Pick<LogEntryView, "index" | "bytes">[] }>;

/** @throws NOT_FOUND when the log does not reach back so far any more, or not so far on */
export async function logBytes(read: ReadPage, { from, to }: LogSpan): Promise<number> {
  let bytes = 0;
  for (let next = from; next <= to;) {
    const { entries } = await read({ from: next, limit: pageEntries });
    if (entries[0]?.index !== next)
      throw new IDunnoError("NOT_FOUND", {
        kind: "log entry",
        name: String(next),
        remedy: "the log has been compacted meanwhile: measure fewer inputs",
      });
    for (const entry of entries) {
      if (entry.index <= to) bytes += entry.bytes;
      next = entry.index + 1;
    }
  }
  return bytes;
}
