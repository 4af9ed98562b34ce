/**
 * Harm in rounds. A round harms at most three nodes, each in one way or several, and all at once where that can be; then
 * it mends what does not mend itself and waits until every chunk has its copies again. So no more than three nodes
 * ever lack something, and a version that was acknowledged with four copies has one left: what the promise covers.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DevCluster } from "../../../src/cli/dev/cluster.ts";
import { dataDirectory } from "../../../src/cli/dev/daemon.ts";
import { IDunnoClient } from "../../../src/client/client.ts";
import { hasCode } from "../../../src/lib/errors.ts";
import type { Random } from "../../../src/lib/random.ts";
import { digestOf, mib } from "./content.ts";
import type { Counts } from "./counts.ts";
import type { Ledger } from "./ledger.ts";
import { until } from "../../until.ts";
import { chunkFile, clientVia, flipBit, goodCopies, lacking, locateAll } from "./replicas.ts";
import type { SmallDisks } from "./small-disks.ts";

/** Nodes harmed at once: one less than the copies. */
const harmedAtOnce = 3;
/** How long a round may take to mend. */
const mendMs = 180_000;
/** Between two looks at the copies. */
const lookMs = 500;
/** How long a kept version may take to be read while nodes are harmed. */
const readMs = 60_000;
/** Versions read in each round while nodes are harmed. */
const readsPerRound = 8;
/** Bits flipped in the chunks of one node, each in another chunk where there are so many. */
const flipsPerNode = 3;

/** `restart`: killed, and killed again while it starts. `burst`: its disk is filled to the last byte. */
const harms = ["kill", "restart", "wipe", "flip", "flip-kill", "fill", "burst"] as const;
type Harm = (typeof harms)[number];

/** The rounds that every run begins with, however short it is. */
const opening: readonly (readonly Harm[])[] = [
  ["kill", "kill", "kill"],
  ["fill", "wipe", "flip"],
  ["burst", "flip-kill", "restart"],
];

interface Flip {
  readonly node: string;
  readonly path: string;
  readonly version: number;
  readonly hash: string;
}

interface FaultsParts {
  readonly cluster: DevCluster;
  readonly disks: SmallDisks;
  readonly ledger: Ledger;
  readonly counts: Counts;
  readonly say: (text: string) => void;
}

export class Faults {
  readonly #parts: FaultsParts;
  readonly #random: Random;
  readonly #copies: number;
  #round = 0;
  #flips: Flip[] = [];

  constructor(
    { random, copies }: { readonly random: Random; readonly copies: number },
    parts: FaultsParts,
  ) {
    this.#random = random;
    this.#copies = copies;
    this.#parts = parts;
  }

  /** One round of harm, mended when it returns. @throws when it does not mend */
  async round(): Promise<void> {
    const { cluster, ledger, counts, say } = this.#parts;
    const victims = this.#plan();
    this.#round += 1;
    counts.add("rounds");
    say(`round ${this.#round}: ${[...victims].map((each) => each.join(" ")).join(", ")}`);
    await this.#harm(victims);
    await sleep(this.#random.between(500, 4_000));
    for (const { name, state } of cluster.nodes)
      if (state === "stopped" && !victims.has(name))
        ledger.violations.push(`${name} ended by itself`);
    await this.#readKept(victims);
    const tookMs = await this.#mend(victims);
    say(`round ${this.#round}: whole again after ${Math.round(tookMs / 100) / 10} s`);
  }

  /** Who is harmed, and how. */
  #plan(): Map<string, Harm> {
    const { cluster, disks } = this.#parts;
    const random = this.#random;
    const wanted =
      opening[this.#round] ??
      Array.from({ length: random.between(1, harmedAtOnce) }, () => random.pick(harms) ?? "kill");
    const victims = new Map<string, Harm>();
    for (const harm of wanted) {
      const isFull = harm === "fill" || harm === "burst";
      const all = isFull ? disks.nodes : cluster.nodes.map(({ name }) => name);
      const node = random.pick(all.filter((name) => !victims.has(name)));
      if (node !== undefined) victims.set(node, harm);
    }
    return victims;
  }

  async #harm(victims: ReadonlyMap<string, Harm>): Promise<void> {
    const { cluster, disks, counts } = this.#parts;
    const having = (...some: readonly Harm[]): string[] =>
      [...victims].filter(([, harm]) => some.includes(harm)).map(([node]) => node);
    for (const node of having("flip", "flip-kill")) await this.#flip(node);
    for (const node of having("fill", "burst")) {
      await disks.fill(node, victims.get(node) === "fill" ? 32 * mib : 0);
      counts.add("disksFilled");
    }
    await this.#kill(having("kill", "restart", "wipe", "flip-kill"));
    for (const node of having("wipe")) {
      const chunks = join(dataDirectory(cluster.directory, node), "chunks");
      await rm(chunks, { recursive: true, force: true });
      counts.add("foldersWiped");
    }
    await Promise.all(
      having("restart").map(async (node) => {
        let isKilled = false;
        const starting = cluster.restart(node).catch((error: unknown) => {
          // It says that the daemon ended while it was starting.
          if (!isKilled) throw error;
        });
        const runs = (): boolean =>
          cluster.nodes.some((up) => up.name === node && up.pid !== undefined);
        // On a busy machine a process takes its time to be there at all.
        await Promise.race([until(`${node} has a process`, runs), starting]);
        await Promise.race([sleep(this.#random.between(0, 1_400)), starting]);
        isKilled = true;
        await this.#kill([node]);
        await starting;
      }),
    );
  }

  /** All in the same instant. */
  async #kill(nodes: readonly string[]): Promise<void> {
    const { cluster, counts } = this.#parts;
    await Promise.all(nodes.map(async (node) => cluster.kill(node, "SIGKILL")));
    counts.add("kills", nodes.length);
  }

  /** Flips bits in chunks of versions that somebody knows: those can be asked for afterwards. */
  async #flip(node: string): Promise<void> {
    const { cluster, ledger, counts } = this.#parts;
    const client = new IDunnoClient({ nodes: cluster.endpoints, timeoutMs: readMs });
    const files = await locateAll(client, ledger.paths);
    const here = files.flatMap(({ path, version, chunks }) =>
      chunks
        .filter(({ replicas }) => replicas.some((replica) => replica.node === node))
        .map(({ hash }) => ({ node, path, version, hash })),
    );
    for (let i = 0; i < flipsPerNode; i += 1) {
      const flip = this.#random.pick(here);
      if (flip === undefined || !(await flipBit(chunkFile(cluster, node, flip.hash), this.#random)))
        continue;
      this.#flips.push(flip);
      counts.add("bitsFlipped");
    }
  }

  /** While three nodes are harmed, what was acknowledged can be read all the same. */
  async #readKept(victims: ReadonlyMap<string, Harm>): Promise<void> {
    const { cluster, ledger, counts } = this.#parts;
    const up = cluster.nodes.filter(({ name }) => !victims.has(name));
    const { kept } = ledger;
    for (let i = 0; i < Math.min(readsPerRound, kept.length); i += 1) {
      const file = this.#random.pick(kept);
      const node = this.#random.pick(up);
      if (file === undefined || node === undefined) return;
      const startMs = performance.now();
      const { path, version } = file;
      try {
        const { body } = await clientVia(node.httpAddress, readMs).getFile(path, { version });
        const digest = await digestOf(body);
        ledger.readVersion(path, version, startMs, { version, digest });
        counts.add("readWhileHarmed");
      } catch (error) {
        if (hasCode(error, "NOT_FOUND")) ledger.readVersion(path, version, startMs, undefined);
        else
          ledger.violations.push(
            `P1: ${path}@${version} could not be read through ${node.name} for ${readMs} ms: ${String(error)}`,
          );
      }
    }
  }

  async #mend(victims: ReadonlyMap<string, Harm>): Promise<number> {
    const { cluster, disks, counts } = this.#parts;
    const startMs = performance.now();
    for (const node of victims.keys()) await disks.makeRoom(node);
    const stopped = cluster.nodes.filter(({ state }) => state === "stopped");
    const ended = stopped.filter(({ name }) => /fill|burst/.test(victims.get(name) ?? ""));
    counts.add("endedByFullDisk", ended.length);
    // Each is ready only when a majority is: all at once.
    await Promise.all(stopped.map(async ({ name }) => cluster.restart(name)));
    counts.add("restarts", stopped.length);
    for (;;) {
      const why = await this.#unmended();
      if (why === undefined) return performance.now() - startMs;
      if (performance.now() - startMs > mendMs)
        throw new Error(`not whole again after ${mendMs} ms: ${why}`);
      await sleep(lookMs);
    }
  }

  /** What is not as it should be; undefined: nothing. */
  async #unmended(): Promise<string | undefined> {
    const { cluster, ledger } = this.#parts;
    const stopped = cluster.nodes.filter(({ state }) => state === "stopped");
    if (stopped.length > 0) return `${stopped.map(({ name }) => name).join()} stopped`;
    const client = new IDunnoClient({ nodes: cluster.endpoints, timeoutMs: readMs });
    try {
      const away = (await client.members()).filter(({ state }) => state !== "up");
      if (away.length > 0) return `${away.map(({ node }) => node).join()} not up`;
      this.#flips = (
        await Promise.all(
          this.#flips.map(async (flip) => ((await this.#isHealed(flip)) ? [] : [flip])),
        )
      ).flat();
      const [flip] = this.#flips;
      if (flip !== undefined) return `${flip.hash} is damaged on ${flip.node}`;
      const few = lacking(await locateAll(client, ledger.paths), this.#copies);
      return few[0];
    } catch (error) {
      if (hasCode(error, "NOT_FOUND")) throw error;
      return String(error);
    }
  }

  /** Damage is met by whoever reads it: the node itself, asked for the file. */
  async #isHealed({ node, path, version, hash }: Flip): Promise<boolean> {
    const { cluster } = this.#parts;
    if ((await goodCopies(cluster, hash)).includes(node)) return true;
    const view = cluster.nodes.find(({ name }) => name === node);
    const own = clientVia(view?.httpAddress ?? "", readMs);
    try {
      const { body } = await own.getFile(path, { version });
      await digestOf(body);
      const { chunks } = await own.locate(path, { version });
      const replicas = chunks.find((chunk) => chunk.hash === hash)?.replicas ?? [];
      // It may be copied to another node instead.
      return !replicas.some((replica) => replica.node === node);
    } catch (error) {
      // Removed meanwhile: nobody needs it.
      if (hasCode(error, "NOT_FOUND")) return true;
      throw error;
    }
  }
}
