/**
 * Several clients through all nodes: puts, races for one version, gets, ranges, deletes, listings, each judged by the
 * ledger. A client stops at nothing but a broken promise: refusals are counted, and what nobody answered is unknown.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { IDunnoClient } from "../../../src/client/client.ts";
import { segments } from "../../../src/client/paths.ts";
import type { FileView } from "../../../src/lib/api/files.ts";
import { hasCode } from "../../../src/lib/errors.ts";
import { Random } from "../../../src/lib/random.ts";
import { type Content, digestOf, mib, piecesOf, sha256Of, streamOf } from "./content.ts";
import type { Counts } from "./counts.ts";
import type { Ledger } from "./ledger.ts";

/** Clients at once. */
const clients = 5;
/** Paths that they share: few enough that they meet. */
const paths = 48;
const folder = "chaos/";
/** For one request: longer than an election, and than a node's absence that a put has to wait out. */
const requestMs = 20_000;
/** Between two requests of one client, in ms, at most. */
const pauseMs = { first: 60, last: 3_000 } as const;
/**
 * A client rests for so many times as long as its request took. On a machine that is slow, or busy with nodes that start,
 * the load is less: their executors run at nice 10 and would never start beside one that takes all there is.
 */
const restShare = 3;
/** Contents whose later chunks are alike. */
const tails = 6;
const chunkBytes = 4 * mib;
/** Where cutting into chunks could go wrong, and one long one. */
const borders = [
  chunkBytes - 1,
  chunkBytes,
  chunkBytes + 1,
  2 * chunkBytes,
  3 * chunkBytes + 5,
  20 * mib,
];

export interface LoadOptions {
  readonly seed: number;
  /** `host:port` of every node, running or not. */
  readonly nodes: readonly string[];
  /** Bytes of all contents together that may be put by now; small files may always be. */
  readonly allowance: () => number;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #ledger: Ledger;
  readonly #counts: Counts;
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;
  /** What each put had, so that ranges of it can be compared. */
  readonly #contents = new Map<string, Content>();
  #seeds = 0;

  constructor(options: LoadOptions, parts: { readonly ledger: Ledger; readonly counts: Counts }) {
    this.#options = options;
    this.#ledger = parts.ledger;
    this.#counts = parts.counts;
    const random = new Random(options.seed);
    this.#ended = Promise.all(
      Array.from({ length: clients }, async () => this.#run(random.fork())),
    );
    this.#ended.catch(() => undefined); // stop() throws it
  }

  /** Ends when what is under way has. @throws what a client did not expect */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(random: Random): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const startMs = performance.now();
      await this.#step(random);
      const restMs = (performance.now() - startMs) * restShare + random.between(0, pauseMs.first);
      await sleep(Math.min(pauseMs.last, restMs), undefined, { signal }).catch(() => undefined);
    }
  }

  async #step(random: Random): Promise<void> {
    const path = `${folder}${random.between(1, paths)}`;
    const kind = random.between(1, 100);
    const client = this.#client(random);
    if (kind <= 28) await this.#put(client, path, { random, ifVersion: undefined });
    else if (kind <= 36) await this.#race(path, random);
    else if (kind <= 60) await this.#get(client, path);
    else if (kind <= 78) await this.#getRange(path, random);
    else if (kind <= 86) await this.#stat(client, path);
    else if (kind <= 93) await this.#remove(client, path);
    else await this.#list(client);
  }

  /** Through a node of its own, and the others when that one fails. */
  #client(random: Random): IDunnoClient {
    const { nodes } = this.#options;
    const first = random.between(0, nodes.length - 1);
    const turned = nodes.map((_, i) => nodes[(first + i) % nodes.length] ?? "");
    return new IDunnoClient({ nodes: turned, timeoutMs: requestMs });
  }

  #content(random: Random): Content {
    this.#seeds += 1;
    const draw = random.between(1, 100);
    const left = this.#options.allowance() - this.#counts.byKind.putBytes;
    let bytes = random.between(1, 64 * 1024);
    if (draw <= 4) bytes = 0;
    else if (draw <= 6) bytes = 1;
    else if (draw <= 18 && left > 20 * mib) bytes = random.pick(borders) ?? 0;
    else if (draw <= 30 && left > 20 * mib) bytes = random.between(64 * 1024, chunkBytes - 2);
    return {
      seed: this.#options.seed * 1_000_003 + this.#seeds,
      tail: random.between(1, tails),
      bytes,
    };
  }

  async #put(
    client: IDunnoClient,
    path: string,
    { random, ifVersion }: { readonly random: Random; readonly ifVersion: number | undefined },
  ): Promise<void> {
    const content = this.#content(random);
    const digest = { sha256: sha256Of(content), bytes: content.bytes };
    this.#contents.set(digest.sha256, content);
    const put = this.#ledger.startPut(path, digest, ifVersion);
    try {
      const source = { kind: "reopen", open: () => streamOf(content) } as const;
      const options = ifVersion === undefined ? {} : { ifVersion };
      const { version, copies } = await client.putFile(path, source, options);
      this.#ledger.acknowledged(put, version, copies);
      this.#counts.add("puts");
      this.#counts.add("putBytes", content.bytes);
    } catch (error) {
      this.#counts.refusal(error);
      if (hasCode(error, "CONFLICT")) {
        this.#ledger.conflicted(put);
        this.#counts.add("raceLosers");
      } else {
        this.#ledger.unknown(put);
        this.#counts.add("unknownOutcomes");
      }
    }
  }

  /** Two clients replace the same version: at most one may. */
  async #race(path: string, random: Random): Promise<void> {
    const newest = await this.#stat(this.#client(random), path);
    if (newest === "unknown") return;
    this.#counts.add("races");
    const ifVersion = newest?.version ?? 0;
    await Promise.all(
      [random.fork(), random.fork()].map(async (own) =>
        this.#put(this.#client(own), path, { random: own, ifVersion }),
      ),
    );
  }

  /** What a client knows of the newest version of a path; undefined: there is none. */
  async #stat(client: IDunnoClient, path: string): Promise<FileView | "unknown" | undefined> {
    const startMs = performance.now();
    this.#counts.add("stats");
    try {
      const file = await client.stat(path);
      this.#ledger.readNewest(path, startMs, { version: file.version });
      return file;
    } catch (error) {
      if (this.#counts.refusal(error) !== "NOT_FOUND") return "unknown";
      this.#ledger.readNewest(path, startMs, undefined);
      return undefined;
    }
  }

  async #get(client: IDunnoClient, path: string): Promise<void> {
    const startMs = performance.now();
    let version: number | undefined;
    try {
      const { file, body } = await client.getFile(path);
      version = file.version;
      this.#ledger.readNewest(path, startMs, { version });
      const digest = await digestOf(body);
      this.#ledger.readVersion(path, version, startMs, { version, digest });
      this.#counts.add("gets");
      this.#counts.add("getBytes", digest.bytes);
    } catch (error) {
      if (this.#counts.refusal(error) !== "NOT_FOUND") return;
      if (version === undefined) this.#ledger.readNewest(path, startMs, undefined);
      else this.#ledger.readVersion(path, version, startMs, undefined);
    }
  }

  /** One range of the newest version from one node, which may break off but never send other bytes. */
  async #getRange(path: string, random: Random): Promise<void> {
    const file = await this.#stat(this.#client(random), path);
    if (file === "unknown" || file === undefined || file.bytes === 0) return;
    const start = random.between(0, file.bytes - 1);
    const end = Math.min(file.bytes, start + random.between(1, 6 * mib));
    const url = `http://${random.pick(this.#options.nodes) ?? ""}/v1/files/${segments(path)}`;
    const pieces: Uint8Array[] = [];
    let isWhole = false;
    try {
      const answer = await fetch(`${url}?version=${file.version}`, {
        headers: { range: `bytes=${start}-${end - 1}` },
        signal: AbortSignal.timeout(requestMs),
      });
      if (answer.status !== 206) {
        const { error } = (await answer.json()) as { readonly error: { readonly code: string } };
        this.#counts.refusals[error.code] = (this.#counts.refusals[error.code] ?? 0) + 1;
        return;
      }
      for await (const piece of answer.body ?? []) pieces.push(piece);
      isWhole = true;
    } catch {
      // The node died, or stayed silent: what came before that must be right all the same.
      this.#counts.add("brokenOff");
    }
    this.#counts.add("rangedGets");
    const wanted = this.#wanted(path, file.version, { start, end });
    if (wanted === undefined) return;
    const got = Buffer.concat(pieces);
    const isRight = got.equals(wanted.subarray(0, got.length));
    if (!isRight || (isWhole && got.length !== wanted.length))
      this.#ledger.violations.push(
        `V1: bytes ${start} to ${end} of ${path}@${file.version} are ${isRight ? `only ${got.length}` : "others"}`,
      );
  }

  /** Bytes of a version; undefined when nobody knows its content. */
  #wanted(
    path: string,
    version: number,
    range: { readonly start: number; readonly end: number },
  ): Buffer | undefined {
    const digest = this.#ledger.digestOf(path, version);
    const content = digest === undefined ? undefined : this.#contents.get(digest.sha256);
    return content === undefined ? undefined : Buffer.concat([...piecesOf(content, range)]);
  }

  async #remove(client: IDunnoClient, path: string): Promise<void> {
    const remove = this.#ledger.startRemove(path);
    try {
      await client.removeFile(path);
      this.#ledger.removed(remove);
      this.#counts.add("deletes");
    } catch (error) {
      if (this.#counts.refusal(error) === "NOT_FOUND") {
        this.#ledger.refused(remove);
        this.#ledger.readNewest(path, remove.startMs, undefined);
      } else {
        this.#ledger.unknown(remove);
        this.#counts.add("unknownOutcomes");
      }
    }
  }

  async #list(client: IDunnoClient): Promise<void> {
    const startMs = performance.now();
    const listed = new Map<string, number>();
    try {
      let before = "";
      let after: string | undefined;
      do {
        // Small pages: the clients change what comes on the next one.
        const page = await client.list({ prefix: folder, after, limit: 10 });
        for (const { path, version } of page.files) {
          if (path <= before) this.#ledger.violations.push(`${path} is listed after ${before}`);
          before = path;
          listed.set(path, version);
        }
        after = page.next;
      } while (after !== undefined);
    } catch (error) {
      this.#counts.refusal(error);
      return;
    }
    this.#counts.add("listings");
    for (const path of this.#ledger.paths) {
      const version = listed.get(path);
      this.#ledger.readNewest(path, startMs, version === undefined ? undefined : { version });
    }
  }
}
