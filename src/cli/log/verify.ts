/** Checks a log as far as it shows itself: contiguous indexes, terms that never go back, a chain value in each entry. */
import type { LogEntryView } from "../../lib/api/files.ts";
import { IDunnoError } from "../../lib/errors.ts";

/** @returns how many entries there were @throws CORRUPT at the first that is wrong */
export async function verifyLog(
  entries: AsyncIterable<LogEntryView>,
  where: string,
): Promise<number> {
  let before: LogEntryView | undefined;
  let count = 0;
  const wrong = (at: LogEntryView, why: string): IDunnoError =>
    new IDunnoError("CORRUPT", {
      file: `the log of ${where}`,
      at: `entry ${at.index}: ${why}`,
      remedy: "restart the node: it discards what is damaged and is refilled by the others",
    });
  for await (const entry of entries) {
    if (before !== undefined && entry.index !== before.index + 1)
      throw wrong(entry, `it follows entry ${before.index}`);
    if (before !== undefined && entry.term < before.term)
      throw wrong(entry, `its term ${entry.term} is below ${before.term}`);
    if (!/^(?:[0-9a-f]{2})+$/.test(entry.chain)) throw wrong(entry, "it has no chain value");
    before = entry;
    count += 1;
  }
  return count;
}
