/** A directory and a fake node for the commands of `idunno sdfs`. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeNode } from "../client/fake-node.ts";
import { idunno, type Outcome, type WorldOptions } from "./world.ts";

export class Fixture implements AsyncDisposable {
  readonly node: FakeNode;
  readonly directory: string;

  private constructor(node: FakeNode, directory: string) {
    this.node = node;
    this.directory = directory;
  }

  static async make(): Promise<Fixture> {
    return new Fixture(await FakeNode.start(), await mkdtemp(join(tmpdir(), "idunno-sdfs-")));
  }

  async write(path: string, content = path): Promise<void> {
    await mkdir(join(this.directory, path, ".."), { recursive: true });
    await writeFile(join(this.directory, path), content);
  }

  async sdfs(argv: readonly string[], more: WorldOptions = {}): Promise<Outcome> {
    const env = { IDUNNO_NODE: this.node.address };
    return idunno(["sdfs", ...argv], { directory: this.directory, env, ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true });
  }
}
