/**
 * Settings of the whole cluster, each a text under a name. The cluster's own are known by name and checked, so that no
 * node ever reads one that makes no sense; names that begin with `x-` belong to the user's tools, and nothing here reads them.
 */
import { type Outcome, done, refuse } from "../lib/outcome.ts";
import type { Rows } from "../lib/rows.ts";
import { versionsKept, versionsLimit } from "../sdfs/catalog/types.ts";
import type { SetSetting, SettingRecord } from "./commands.ts";
import { meta, settings } from "./tables.ts";

/** Settings with a row: each is in every node's memory with its value, at worst 40 MB in all. */
export const settingsLimit = 10_000;
/** Bytes of a value in UTF-8: a setting says how something is to be done; contents are files. */
export const settingValueBytes = 4_096;

/** What a known setting may be, and what it is while nobody has set it. */
interface Known {
  readonly unset: string;
  /** Completes "it must be …"; undefined when the value will do. */
  readonly wrong: (value: string) => string | undefined;
}

/** Voters at most: 7 survive any 3 losses at once, which is one less than the copies of a chunk (design section 9). */
const votersMax = 7;

/** A year. */
const undeleteMaxS = 31_536_000;
const scrubMaxHours = 8_760;
/** More than any disk or network gives. */
const rateMax = 100_000;

/** A check that completes its sentence: `a whole number of seconds from 0 to 10`. */
function wholeNumber(of: string, least: number, most: number): Pick<Known, "wrong"> {
  return {
    wrong: (value) => {
      const number = /^(?:0|[1-9][0-9]{0,8})$/.test(value) ? Number(value) : Number.NaN;
      return number >= least && number <= most
        ? undefined
        : `a whole number ${of} from ${least} to ${most}`;
    },
  };
}

const known = {
  /** How many members vote while there are enough. */
  voters: {
    unset: String(votersMax),
    wrong: (value) => {
      const fits = /^[0-9]$/.test(value) && Number(value) >= 1 && Number(value) <= votersMax;
      return fits ? undefined : `a whole number from 1 to ${votersMax}`;
    },
  },
  /** For how many seconds a removed file can be restored. What it takes up is free only afterwards. */
  "sdfs-undelete-s": { unset: "3600", ...wholeNumber("of seconds", 0, undeleteMaxS) },
  /** Megabytes a second that repair and balance may copy, in the whole cluster. */
  "sdfs-repair-mbps": { unset: "200", ...wholeNumber("of megabytes a second", 1, rateMax) },
  /** Megabytes a second of its store that each node may read to prove it; 0: nothing is read for that. */
  "sdfs-scrub-mbps": { unset: "4", ...wholeNumber("of megabytes a second", 0, rateMax) },
  /** Hours from the end of one such reading to the beginning of the next. */
  "sdfs-scrub-hours": { unset: "168", ...wholeNumber("of hours", 1, scrubMaxHours) },
  /** How many versions of a file stay readable: what is over goes when the file gets its next one. */
  "sdfs-versions": {
    unset: String(versionsKept),
    wrong: (value) => {
      const fits = /^[1-9][0-9]{0,2}$/.test(value) && Number(value) <= versionsLimit;
      return fits ? undefined : `a whole number from 1 to ${versionsLimit}`;
    },
  },
} as const satisfies Readonly<Record<string, Known>>;

/** The cluster's own settings. */
export type KnownSetting = keyof typeof known;
export const knownSettings = Object.keys(known) as readonly KnownSetting[];

const ownForm = /^x-[a-z0-9][a-z0-9._-]{0,62}$/;

export function isKnownSetting(name: string): name is KnownSetting {
  return Object.hasOwn(known, name);
}

/** What holds: the value set, or what a known setting is without one. */
export function settingOf(rows: ReadonlyMap<string, SettingRecord>, name: KnownSetting): string;
export function settingOf(
  rows: ReadonlyMap<string, SettingRecord>,
  name: string,
): string | undefined;
export function settingOf(
  rows: ReadonlyMap<string, SettingRecord>,
  name: string,
): string | undefined {
  return rows.get(name)?.value ?? (isKnownSetting(name) ? known[name].unset : undefined);
}

/** For how long a removed file can be restored, in ms of log time. */
export function restorableMs(rows: Rows): number {
  const value = settings.get(rows, "sdfs-undelete-s")?.value ?? known["sdfs-undelete-s"].unset;
  return Number(value) * 1_000;
}

/** Versions of a file that stay readable, as of the command that is being applied. */
export function versionsKeptNow(rows: Rows): number {
  const name: KnownSetting = "sdfs-versions";
  return Number(settings.get(rows, name)?.value ?? known[name].unset);
}

/** Sets, or takes back to what it is by itself when there is no value. */
export function setSetting(rows: Rows, { name, value }: SetSetting): Outcome {
  const wrong = checkName(name) ?? (value === undefined ? undefined : checkValue(name, value));
  if (wrong !== undefined) return wrong;
  const before = settings.get(rows, name);
  if (value === undefined) {
    if (before === undefined)
      return refuse("NOT_FOUND", {
        kind: "setting",
        name,
        remedy: "'idunno setting ls' lists them",
      });
    settings.delete(rows, name);
    count(rows, -1);
    return done;
  }
  if (before?.value === value) return done;
  if (before === undefined) {
    if (countOf(rows) >= settingsLimit)
      return refuse("BUSY", { what: "the list of settings", limit: settingsLimit });
    count(rows, 1);
  }
  settings.put(rows, name, { value });
  return done;
}

function checkName(name: string): Outcome | undefined {
  if (isKnownSetting(name) || ownForm.test(name)) return undefined;
  return refuse("INVALID", {
    what: `the setting ${name}`,
    why: "the cluster has none of that name",
    remedy: `it has ${knownSettings.join(", ")}; name your own x-…, of up to 65 of a-z, 0-9, dot, dash and underscore`,
  });
}

function checkValue(name: string, value: string): Outcome | undefined {
  const size = value.length * bytesPerUnitMax <= settingValueBytes ? 0 : utf8Bytes(value);
  if (size > settingValueBytes)
    return refuse("TOO_LARGE", { what: `setting ${name}`, size, limit: settingValueBytes });
  const wanted = isKnownSetting(name) ? known[name].wrong(value) : undefined;
  if (wanted === undefined) return undefined;
  return refuse("INVALID", {
    what: `the setting ${name}`,
    why: `it must be ${wanted}`,
    remedy: "nothing was changed",
  });
}

/** Counted in a row of its own: listing thousands of settings for each new one would take milliseconds. */
function countOf(rows: Rows): number {
  return meta.table.get(rows, meta.settings) ?? 0;
}

function count(rows: Rows, by: number): void {
  meta.table.put(rows, meta.settings, countOf(rows) + by);
}

/** No UTF-16 unit takes more than three bytes: most values need not be counted. */
const bytesPerUnitMax = 3;

/** Lone surrogates count three, as they are encoded. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0; // unreachable: no character is empty
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4;
  }
  return bytes;
}
