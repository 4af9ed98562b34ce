/**
 * The disk of one simulated machine. It outlasts the processes that use it, one after the other, and loses what a disk
 * may lose when they are killed or the power fails. All chance comes from one seeded stream, all time from the simulator.
 */
import { IDunnoError } from "../../../src/lib/errors.ts";
import type { Database } from "../../../src/node/stores/database.ts";
import type { Disk } from "../../../src/node/stores/disk.ts";
import { type DiskFaults, DiskLife, type DiskPorts, systemError } from "./disk-life.ts";
import { Directory, entryAt, makeDirectory } from "./file-tree.ts";
import { SimulatedDatabase } from "./simulated-database.ts";
import { SimulatedFiles } from "./simulated-files.ts";
import { StoredDatabase } from "./stored-database.ts";

/** What to damage in a data directory. */
export type DamageTarget =
  /** A batch in the log of the log's database: lost at the next opening, without a word if it is among the last. */
  | "log-batch"
  /** A block of a table: its rows are lost at the next opening, and the check says so. */
  | "log-rows"
  | "state-rows"
  /** One bit. */
  | "mark"
  | "state-pointer";

/** What was on a disk at some time. */
export interface DiskImage {
  readonly root: Directory;
}

/** A fast disk without faults. */
const healthy: DiskFaults = {
  diskMs: [0.05, 1],
  slowFactor: 1,
  isFull: false,
  syncFailures: 0,
  tearsBatches: false,
};

export class SimulatedDisk {
  /** To be changed at any time. */
  readonly faults: DiskFaults = { ...healthy };
  readonly #ports: DiskPorts;
  readonly #mount: string;
  #root = new Directory();
  #life: DiskLife | undefined;

  /** @param mount a directory that is there from the start, and stays */
  constructor(ports: DiskPorts, { mount = "/" }: { readonly mount?: string } = {}) {
    this.#ports = ports;
    this.#mount = mount;
    this.wipe();
  }

  /** The disk for a new process. The one before is killed, if it still runs. */
  attach(): Disk {
    this.crash({ power: false });
    const life = new DiskLife(this.faults, this.#ports);
    this.#life = life;
    const root = this.#root;
    return {
      files: new SimulatedFiles(root, life),
      openDatabase: async (directory) => openDatabase(directory, root, life),
      checkDatabase: async (directory) =>
        life.call(() => {
          const entry = entryAt(root, directory);
          const faults = entry?.kind === "directory" ? (entry.database?.check() ?? []) : [];
          return { faults, unchecked: 0 };
        }),
    };
  }

  /**
   * Ends the process: none of its calls settles any more, those under way take effect or do not. With `power` the machine
   * goes down as well, and with it, by chance, all that was not synced.
   */
  crash({ power }: { readonly power: boolean }): void {
    this.#life?.end();
    this.#life = undefined;
    if (power) this.#root.losePower(this.#ports.random, this.faults.tearsBatches);
  }

  /** The next syncs fail. What they were to write is seen until the power fails, and is never written. */
  failSyncs(count = 1): void {
    this.faults.syncFailures = count;
  }

  fill(): void {
    this.faults.isFull = true;
  }

  makeRoom(): void {
    this.faults.isFull = false;
  }

  /**
   * Damages something durable in a data directory. Says what; undefined: there is nothing of that kind.
   * @param upTo of a log-batch: the last that may be damaged is the one that wrote this key. Default: the last of all
   */
  corrupt(directory: string, target: DamageTarget, upTo?: string): string | undefined {
    const data = entryAt(this.#root, directory);
    if (data?.kind !== "directory") return undefined;
    const { random } = this.#ports;
    switch (target) {
      case "log-batch":
        return databasesIn(data, /^raft$/)
          .at(0)
          ?.damageBatch(random, upTo);
      case "log-rows":
        return databasesIn(data, /^raft$/)
          .at(0)
          ?.damageTable(random);
      case "state-rows":
        return random.pick(databasesIn(data, /^state(?:-\d+)?$/))?.damageTable(random);
      case "mark":
      case "state-pointer": {
        const name = target === "mark" ? "mark" : "state.json";
        const file = data.names.get(name);
        const at = file?.kind === "file" ? file.flipBit(random) : undefined;
        return at === undefined ? undefined : `a bit of ${name}, byte ${at}`;
      }
    }
  }

  /** Another disk, empty, takes the place of this one. */
  wipe(): void {
    this.crash({ power: false });
    this.#root = new Directory();
    for (const path of prefixes(this.#mount)) {
      makeDirectory(this.#root, path);
      syncAbove(this.#root, path);
    }
  }

  /** A copy of what processes see now. */
  image(): DiskImage {
    return { root: this.#root.copy() };
  }

  /** An earlier copy takes the place of what is there; it can be put back more than once. */
  restore({ root }: DiskImage): void {
    this.crash({ power: false });
    this.#root = root.copy();
  }
}

async function openDatabase(location: string, root: Directory, life: DiskLife): Promise<Database> {
  return life.call(
    () => {
      const found = entryAt(root, location);
      const stored = found?.kind === "directory" ? found.database : undefined;
      if (stored?.isLocked() === true)
        throw new IDunnoError("DIRECTORY_IN_USE", { directory: location });
      if (life.faults.isFull) throw unopened(location);
      return new SimulatedDatabase(location, stored ?? makeDatabase(location, root), life);
    },
    () => {
      if (!life.faults.isFull) makeDatabase(location, root);
    },
  );
}

function makeDatabase(location: string, root: Directory): StoredDatabase {
  const directory = makeDirectory(root, location);
  directory.database ??= new StoredDatabase();
  return directory.database;
}

/** What level.ts makes of LevelDB's errors: opening writes, and what cannot be written is taken for damage. */
function unopened(location: string): IDunnoError {
  const cause = systemError("ENOSPC", `write '${location}'`);
  return new IDunnoError("STORAGE_FAILED", { what: `opening ${location}` }, { cause });
}

function databasesIn(data: Directory, name: RegExp): StoredDatabase[] {
  return [...data.names]
    .filter(([each]) => name.test(each))
    .map(([, entry]) => (entry.kind === "directory" ? entry.database : undefined))
    .filter((database) => database !== undefined);
}

/** `/a`, `/a/b`, … of `/a/b/…`. */
function prefixes(path: string): string[] {
  const steps = path.split("/").filter((step) => step !== "");
  return steps.map((_, i) => `/${steps.slice(0, i + 1).join("/")}`);
}

function syncAbove(root: Directory, path: string): void {
  const above = entryAt(root, path.slice(0, path.lastIndexOf("/")));
  if (above?.kind === "directory") above.sync();
}
