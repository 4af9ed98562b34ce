/**
 * The machine's tables: which are hot (in memory on every node, loaded at start) and which are cold (read by key from
 * LevelDB), and the memory of the hot ones. A key is `table/…/id`; what stands before its last slash is its group.
 */
import { Table } from "../lib/rows.ts";
import { joinJob } from "../scheduler/rows.ts";
import type { JobFixed, JobProgress, JobRecord } from "../scheduler/types.ts";
import type {
  AliasRecord,
  KeyRecord,
  MemberRecord,
  ModelRecord,
  SettingRecord,
} from "./commands.ts";

export const members = new Table<MemberRecord>("member");
/** By name: the newest version. */
export const models = new Table<ModelRecord>("model");
/** All others (models.ts). */
export const olderModels = new Table<ModelRecord>("olderModel");
/** Cold; by name: the last version that was given, of which a removal left nothing. */
export const lastModels = new Table<number>("lastModel");
export const aliases = new Table<AliasRecord>("alias");
export const keys = new Table<KeyRecord>("key");
export const settings = new Table<SettingRecord>("setting");

/** `meta/…`: single values. */
export const meta = {
  table: new Table<number>("meta"),
  /** Log time of the last command. */
  logTime: "logTime",
  /** Stamp up to which forgotten keys may lie. */
  keyFloor: "keyFloor",
  /** Catalog index up to which removed versions may have been collected. */
  collectionFloor: "collectionFloor",
  /** Log index up to which drops of chunks may have been forgotten. */
  dropFloor: "dropFloor",
  /** How many settings have a row. */
  settings: "settings",
} as const;

/** The tables whose rows are kept in memory. */
export const hotTables: ReadonlySet<string> = new Set([
  "member",
  "model",
  "olderModel",
  "alias",
  "job",
  "progress",
  "query",
  "key",
  "store",
  "setting",
  "quota",
  "meta",
]);

/** Whether a row is kept in memory. */
export function isHot(key: string): boolean {
  const slash = key.indexOf("/");
  return slash > 0 && hotTables.has(key.slice(0, slash));
}

/** The hot rows. Only whole commands change them ({@link Machine}), and rows themselves never change. */
export class HotRows {
  readonly #groups = new Map<string, Map<string, unknown>>();
  readonly #jobs = new Map<string, JobRecord>();

  get(key: string): unknown {
    const slash = key.lastIndexOf("/");
    return this.#groups.get(key.slice(0, slash))?.get(key.slice(slash + 1));
  }

  /** The rows of a group, in no particular order. The map is alive. */
  group(name: string): ReadonlyMap<string, unknown> {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new Map();
      this.#groups.set(name, group);
    }
    return group;
  }

  /** Jobs with both their rows in one. The map is alive. */
  get jobs(): ReadonlyMap<string, JobRecord> {
    return this.#jobs;
  }

  /** Whether a group has rows, without making it. */
  peek(name: string): ReadonlyMap<string, unknown> | undefined {
    return this.#groups.get(name);
  }

  /** Sets a row, or deletes it when `row` is undefined. */
  set(key: string, row: unknown): void {
    const slash = key.lastIndexOf("/");
    const name = key.slice(0, slash);
    const id = key.slice(slash + 1);
    const group = this.group(name) as Map<string, unknown>;
    if (row === undefined) {
      group.delete(id);
      // A job's group of open queries: thousands of jobs would leave thousands of empty ones.
      if (group.size === 0 && name.includes("/")) this.#groups.delete(name);
    } else group.set(id, row);
    if (name === "job" || name === "progress") this.#join(id);
  }

  /** Forgets every row. The maps of whole tables stay the ones that others hold. */
  clear(): void {
    for (const [name, group] of this.#groups) {
      group.clear();
      if (name.includes("/")) this.#groups.delete(name);
    }
    this.#jobs.clear();
  }

  #join(id: string): void {
    const fixed = this.get(`job/${id}`) as JobFixed | undefined;
    const progress = this.get(`progress/${id}`) as JobProgress | undefined;
    if (fixed === undefined || progress === undefined) this.#jobs.delete(id);
    else this.#jobs.set(id, joinJob(fixed, progress));
  }
}

/** Whether a node may be given work: a member, up, with this boot. */
export function mayWork(member: MemberRecord | undefined, boot: string): boolean {
  return member !== undefined && takesMore(member) && member.boot === boot;
}

/** Whether a node has threads for work, and may be given some. */
export function isWorker(member: MemberRecord): boolean {
  return takesMore(member) && member.slots > 0;
}

/** Whether a member is there to stay: only then does it get work and chunks. */
export function takesMore({ state, leaving }: MemberRecord): boolean {
  return state === "up" && leaving !== true;
}
