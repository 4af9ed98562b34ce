/** The file system of a simulated disk, as one process sees it. */
import { constants } from "node:fs";
import type { FileSystem, OpenFile } from "../../../src/node/stores/disk.ts";
import { type DiskLife, systemError } from "./disk-life.ts";
import { FileContent } from "./file-content.ts";
import { type Directory, entryAt, makeDirectory, placeOf } from "./file-tree.ts";

export class SimulatedFiles implements FileSystem {
  readonly #root: Directory;
  readonly #life: DiskLife;

  constructor(root: Directory, life: DiskLife) {
    this.#root = root;
    this.#life = life;
  }

  async open(path: string, flags: string | number): Promise<OpenFile> {
    const bits = typeof flags === "number" ? flags : flagsOf(flags);
    const life = this.#life;
    const open = (): OpenFile => {
      const entry = this.#opened(path, bits);
      if (entry.kind === "directory") return new DirectoryHandle(entry, life);
      if ((bits & constants.O_TRUNC) !== 0 && entry.bytes.length > 0) entry.truncate();
      return new FileHandle(entry, { isSyncing: (bits & constants.O_DSYNC) !== 0 }, life);
    };
    return life.call(open, () => {
      // The file may have been made or cut, with nobody to hear of it.
      const isChanging = (bits & (constants.O_CREAT | constants.O_TRUNC)) !== 0;
      if (isChanging && !life.faults.isFull) open();
    });
  }

  #opened(path: string, bits: number): Directory | FileContent {
    const found = entryAt(this.#root, path);
    if (found !== undefined) return found;
    const { directory, name } = placeOf(this.#root, path);
    if ((bits & constants.O_CREAT) === 0 || directory === undefined)
      throw systemError("ENOENT", `open '${path}'`);
    if (this.#life.faults.isFull) throw systemError("ENOSPC", `open '${path}'`);
    const file = new FileContent();
    directory.add(name, file);
    return file;
  }

  async readFile(path: string): Promise<string> {
    return this.#life.call(() => {
      const entry = entryAt(this.#root, path);
      if (entry === undefined) throw systemError("ENOENT", `open '${path}'`);
      if (entry.kind === "directory") throw systemError("EISDIR", "read");
      return entry.bytes.toString("utf8");
    });
  }

  async readdir(path: string): Promise<string[]> {
    return this.#life.call(() => {
      const entry = entryAt(this.#root, path);
      if (entry === undefined) throw systemError("ENOENT", `scandir '${path}'`);
      if (entry.kind === "file") throw systemError("ENOTDIR", `scandir '${path}'`);
      return [...entry.names.keys()];
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#life.change(() => {
      const call = `rename '${from}' -> '${to}'`;
      const old = placeOf(this.#root, from);
      const place = placeOf(this.#root, to);
      const entry = old.directory?.names.get(old.name);
      if (entry === undefined || old.directory === undefined || place.directory === undefined)
        throw systemError("ENOENT", call);
      const replaced = place.directory.names.get(place.name);
      if (replaced?.kind === "directory" && !isEmpty(replaced))
        throw systemError("ENOTEMPTY", call);
      if (old.directory === place.directory) {
        old.directory.rename(old.name, { name: place.name, entry });
        return;
      }
      place.directory.add(place.name, entry);
      old.directory.remove(old.name);
    });
  }

  async rm(
    path: string,
    { recursive, force = false }: { readonly recursive?: boolean; readonly force?: boolean },
  ): Promise<void> {
    await this.#life.change(() => {
      const { directory, name } = placeOf(this.#root, path);
      const entry = directory?.names.get(name);
      if (entry === undefined) {
        if (force) return;
        throw systemError("ENOENT", `rm '${path}'`);
      }
      if (entry.kind === "directory" && recursive !== true)
        throw systemError("EISDIR", `rm '${path}'`);
      directory?.remove(name);
    });
  }

  async mkdir(path: string): Promise<void> {
    await this.#life.change(() => {
      if (entryAt(this.#root, path)?.kind === "directory") return;
      if (this.#life.faults.isFull) throw systemError("ENOSPC", `mkdir '${path}'`);
      makeDirectory(this.#root, path);
    });
  }

  async access(path: string): Promise<void> {
    await this.#life.call(() => {
      if (entryAt(this.#root, path) === undefined) throw systemError("ENOENT", `access '${path}'`);
    });
  }
}

class FileHandle implements OpenFile {
  readonly #file: FileContent;
  /** Opened with O_DSYNC: a write returns when it is on the disk. */
  readonly #isSyncing: boolean;
  readonly #life: DiskLife;
  #at = 0;
  #isClosed = false;

  constructor(file: FileContent, { isSyncing }: { readonly isSyncing: boolean }, life: DiskLife) {
    this.#file = file;
    this.#isSyncing = isSyncing;
    this.#life = life;
  }

  async read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }> {
    return this.#life.call(() => {
      this.#check("read");
      const bytes = this.#file.bytes.subarray(position, position + length);
      buffer.set(bytes, offset);
      return { bytesRead: bytes.length };
    });
  }

  async write(buffer: Buffer, offset: number, length: number, position: number): Promise<void> {
    await this.#write(position, Buffer.from(buffer.subarray(offset, offset + length)));
  }

  async writeFile(content: string): Promise<void> {
    const bytes = Buffer.from(content);
    await this.#write(this.#at, bytes);
    this.#at += bytes.length;
  }

  async #write(position: number, bytes: Buffer): Promise<void> {
    await this.#life.call(
      () => {
        this.#check("write");
        if (this.#life.faults.isFull) throw systemError("ENOSPC", "write");
        this.#file.write(position, bytes);
        if (this.#isSyncing) this.#sync();
      },
      // Written perhaps, but not synced: a loss of power may then drop or tear it.
      () => {
        if (!this.#life.faults.isFull) this.#file.write(position, bytes);
      },
    );
  }

  async sync(): Promise<void> {
    await this.#life.change(() => {
      this.#check("fsync");
      this.#sync();
    });
  }

  #sync(): void {
    syncOrFail(this.#file, this.#life);
  }

  #check(call: string): void {
    if (this.#isClosed) throw systemError("EBADF", call);
  }

  async close(): Promise<void> {
    await this.#life.call(() => {
      this.#isClosed = true;
    });
  }
}

/** A directory, opened to be synced. */
class DirectoryHandle implements OpenFile {
  readonly #directory: Directory;
  readonly #life: DiskLife;

  constructor(directory: Directory, life: DiskLife) {
    this.#directory = directory;
    this.#life = life;
  }

  async sync(): Promise<void> {
    await this.#life.change(() => syncOrFail(this.#directory, this.#life));
  }

  async close(): Promise<void> {
    await this.#life.call(() => undefined);
  }

  async read(): Promise<never> {
    return Promise.reject(systemError("EISDIR", "read"));
  }

  async write(): Promise<never> {
    return Promise.reject(systemError("EBADF", "write"));
  }

  async writeFile(): Promise<never> {
    return Promise.reject(systemError("EBADF", "write"));
  }
}

/** After a sync that failed, what it was to write counts as written, and is not. */
function syncOrFail(entry: Directory | FileContent, life: DiskLife): void {
  if (!life.takeSyncFailure()) {
    entry.sync();
    return;
  }
  entry.failSync();
  throw systemError("EIO", "fsync");
}

function isEmpty({ names, database }: Directory): boolean {
  return names.size === 0 && database === undefined;
}

function flagsOf(flags: string): number {
  if (flags === "r") return constants.O_RDONLY;
  if (flags === "w") return constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
  throw new Error(`flags ${flags} are not simulated`);
}
