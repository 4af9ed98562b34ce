/**
 * Directories: names as processes see them, and names that a loss of power leaves. Only syncing a directory makes its
 * names durable; syncing a file does not.
 */
import type { Random } from "../../../src/lib/random.ts";
import type { FileContent } from "./file-content.ts";
import type { StoredDatabase } from "./stored-database.ts";

export type Entry = Directory | FileContent;

/** One call's effect on a directory's names. */
interface NameChange {
  readonly removed: string | undefined;
  readonly added: { readonly name: string; readonly entry: Entry } | undefined;
}

export class Directory {
  readonly kind = "directory";
  #seen = new Map<string, Entry>();
  #durable = new Map<string, Entry>();
  #unsynced: NameChange[] = [];
  /** The database whose directory this is. Its files are not modelled one by one. */
  database: StoredDatabase | undefined;

  get names(): ReadonlyMap<string, Entry> {
    return this.#seen;
  }

  add(name: string, entry: Entry): void {
    this.#change({ removed: undefined, added: { name, entry } });
  }

  remove(name: string): void {
    this.#change({ removed: name, added: undefined });
  }

  /** Renames within this directory, at once. */
  rename(from: string, added: { readonly name: string; readonly entry: Entry }): void {
    this.#change({ removed: from, added });
  }

  #change(change: NameChange): void {
    applyTo(this.#seen, change);
    this.#unsynced.push(change);
  }

  sync(): void {
    this.#durable = new Map(this.#seen);
    this.#unsynced = [];
  }

  /** What was to be synced is seen on, and no later sync will write it. */
  failSync(): void {
    this.#unsynced = [];
  }

  /** Each change of a name since the last sync is kept or dropped, whatever becomes of the others. */
  losePower(random: Random, tearsBatches: boolean): void {
    for (const change of this.#unsynced) if (random.chance(1, 2)) applyTo(this.#durable, change);
    this.#unsynced = [];
    this.#seen = new Map(this.#durable);
    this.database?.losePower(random, tearsBatches);
    for (const entry of this.#seen.values())
      if (entry.kind === "directory") entry.losePower(random, tearsBatches);
      else entry.losePower(random);
  }

  /** A copy as a process would make it, and sync it. */
  copy(): Directory {
    const copy = new Directory();
    for (const [name, entry] of this.#seen) copy.add(name, entry.copy());
    copy.sync();
    copy.database = this.database?.copy();
    return copy;
  }
}

function applyTo(names: Map<string, Entry>, { removed, added }: NameChange): void {
  if (removed !== undefined) names.delete(removed);
  if (added !== undefined) names.set(added.name, added.entry);
}

export function stepsOf(path: string): string[] {
  return path.split("/").filter((step) => step !== "" && step !== ".");
}

export function entryAt(root: Directory, path: string): Entry | undefined {
  let entry: Entry | undefined = root;
  for (const step of stepsOf(path)) {
    if (entry?.kind !== "directory") return undefined;
    entry = entry.names.get(step);
  }
  return entry;
}

/** Makes a directory with those above it, where they are missing. */
export function makeDirectory(root: Directory, path: string): Directory {
  let directory = root;
  for (const step of stepsOf(path)) {
    const entry = directory.names.get(step);
    const next = entry?.kind === "directory" ? entry : new Directory();
    if (next !== entry) directory.add(step, next);
    directory = next;
  }
  return directory;
}

/** The directory that a path lies in, and its last step. */
export function placeOf(
  root: Directory,
  path: string,
): { readonly directory: Directory | undefined; readonly name: string } {
  const steps = stepsOf(path);
  const name = steps.pop() ?? "";
  const parent = entryAt(root, steps.join("/"));
  return { directory: parent?.kind === "directory" ? parent : undefined, name };
}
