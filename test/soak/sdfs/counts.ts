/** What a run did, by kind, for people and as JSON. */
import { IDunnoError } from "../../../src/lib/errors.ts";

const kinds = [
  "puts",
  "putBytes",
  "races",
  "raceLosers",
  "gets",
  "getBytes",
  "rangedGets",
  "brokenOff",
  "stats",
  "deletes",
  "listings",
  "unknownOutcomes",
  "rounds",
  "kills",
  "restarts",
  "bitsFlipped",
  "foldersWiped",
  "disksFilled",
  "endedByFullDisk",
  "readWhileHarmed",
] as const;
type Kind = (typeof kinds)[number];

export class Counts {
  readonly byKind = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>;
  readonly refusals: Record<string, number> = {};

  add(kind: Kind, by = 1): void {
    this.byKind[kind] += by;
  }

  /** A request that failed. @returns its code */
  refusal(error: unknown): string {
    const code = error instanceof IDunnoError ? error.code : "THROWN";
    this.refusals[code] = (this.refusals[code] ?? 0) + 1;
    return code;
  }

  table(): string {
    const refusals = Object.entries(this.refusals).map(
      ([code, times]) => [`refused ${code}`, times] as const,
    );
    return [...Object.entries(this.byKind), ...refusals]
      .map(([name, times]) => `${name.padEnd(28)}${String(times).padStart(14)}`)
      .join("\n");
  }
}
