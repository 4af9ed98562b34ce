/** The disk of this machine: its file system, and LevelDB with the check that goes before it. */
import { access, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import type { Disk } from "./disk.ts";
import { checkLevel } from "./level-check.ts";
import { openDatabase } from "./level.ts";

export const systemDisk: Disk = {
  files: { access, mkdir, open, readdir, readFile, rename, rm },
  openDatabase,
  checkDatabase: checkLevel,
};
