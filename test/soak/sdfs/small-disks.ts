/**
 * Disks that can be filled: a tmpfs of its own under the data directories of some nodes. Only root may mount one; where
 * it cannot be done the run goes on without full disks, and says why.
 */
import { execFileSync } from "node:child_process";
import { mkdir, open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { mib } from "./content.ts";

/** Written at once when a disk is filled. Arbitrary. */
const ballastPiece = Buffer.alloc(mib);

export class SmallDisks {
  /** By node: where its disk is mounted. */
  readonly #mounted = new Map<string, string>();
  /** Why there are none; undefined when there are. */
  readonly missing: string | undefined;

  private constructor(mounted: ReadonlyMap<string, string>, missing: string | undefined) {
    this.#mounted = new Map(mounted);
    this.missing = missing;
  }

  /** Mounts a disk of `mebibytes` as the data directory of each node. */
  static async mount(
    directory: string,
    { nodes, mebibytes }: { readonly nodes: readonly string[]; readonly mebibytes: number },
  ): Promise<SmallDisks> {
    if (process.platform !== "linux" || process.getuid?.() !== 0)
      return new SmallDisks(new Map(), "only root on Linux can mount small disks");
    const mounted = new Map<string, string>();
    for (const node of nodes) {
      const at = join(directory, node, "data");
      await mkdir(at, { recursive: true });
      try {
        const options = `size=${mebibytes}M,mode=0700`;
        execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", at], { stdio: "pipe" });
      } catch (error) {
        unmount(mounted);
        return new SmallDisks(new Map(), `a tmpfs could not be mounted: ${String(error)}`);
      }
      mounted.set(node, at);
    }
    return new SmallDisks(mounted, undefined);
  }

  get nodes(): string[] {
    return [...this.#mounted.keys()];
  }

  /** Writes until `leaveBytes` are left, or nothing is. */
  async fill(node: string, leaveBytes: number): Promise<void> {
    const at = this.#mounted.get(node) ?? "";
    const file = await open(ballast(at), "w");
    try {
      for (;;) {
        const { bavail, bsize } = await statfs(at);
        if (bavail * bsize <= leaveBytes) return;
        await file.write(ballastPiece);
      }
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    } finally {
      await file.close();
    }
  }

  async makeRoom(node: string): Promise<void> {
    const at = this.#mounted.get(node);
    if (at !== undefined) await rm(ballast(at), { force: true });
  }

  /** When the daemons have ended. */
  unmount(): void {
    unmount(this.#mounted);
    this.#mounted.clear();
  }
}

function ballast(at: string): string {
  return join(at, "ballast");
}

function unmount(mounted: ReadonlyMap<string, string>): void {
  // Lazily: a killed daemon's executor may hold a file for another moment.
  for (const at of mounted.values()) execFileSync("umount", ["--lazy", at], { stdio: "pipe" });
}
