/** What the nodes of a fake cluster share, and samples of what they answer. */
import { createHash } from "node:crypto";
import type { Network } from "../../src/lib/network.ts";
import type { MemberView, ModelView, StatusView } from "../../src/lib/api/cluster.ts";
import type { FileView, LogEntryView, QuotaView } from "../../src/lib/api/files.ts";
import type { ModelNodeView } from "../../src/lib/api/models.ts";
import type { JobView } from "../../src/lib/api/jobs.ts";

const sha256 = (data: Buffer): Buffer => createHash("sha256").update(data).digest();

/** Cut by another implementation than the one under test. */
export function chunksOf(bytes: Buffer): { hash: string; bytes: number }[] {
  const chunks: { hash: string; bytes: number }[] = [];
  for (let at = 0; at < bytes.length; at += 4 * 1024 * 1024) {
    const chunk = bytes.subarray(at, at + 4 * 1024 * 1024);
    chunks.push({ hash: sha256(chunk).toString("hex"), bytes: chunk.length });
  }
  return chunks;
}

/** The content digest. */
export function contentOf(bytes: Buffer): string {
  const digests = chunksOf(bytes).map(({ hash }) => Buffer.from(hash, "hex"));
  return sha256(Buffer.concat(digests)).toString("hex");
}

export interface StoredFile {
  readonly view: FileView;
  readonly content: Buffer;
}

export class FakeCluster {
  readonly files = new Map<string, StoredFile[]>();
  readonly jobs = new Map<string, JobView>();
  /** What each stands for, as it was written. */
  readonly aliases = new Map<string, string>();
  /** What nodes answer about models, one look after the other; the last one stays. */
  looks: ModelNodeView[][] = [[{ node: "n1", state: "loaded" }]];
  readonly models = new Map<string, ModelView>();
  /** What every network says of itself. */
  network: Network = { inputs: [], outputs: [] };
  readonly quotas = new Map<string, QuotaView>();
  readonly settings = new Map<string, string>();
  readonly results = new Map<string, string[]>();
  members: MemberView[] = [];
  log: LogEntryView[] = [];
  status: Partial<StatusView> = {};
  /** How often a mutation was carried out, not how often it was asked for. */
  executed = 0;
  readonly #outcomes = new Map<string, unknown>();
  #keys = 0;

  issueKey(): string {
    this.#keys += 1;
    return `key-${this.#keys}`;
  }

  /** Exactly once for each key. */
  once(key: string, work: () => unknown): unknown {
    if (!this.#outcomes.has(key)) {
      this.executed += 1;
      this.#outcomes.set(key, work());
    }
    return this.#outcomes.get(key);
  }

  addFile(path: string, content: string | Buffer): FileView {
    const bytes = Buffer.from(content);
    const versions = this.files.get(path) ?? [];
    const view: FileView = {
      path,
      version: versions.length + 1,
      bytes: bytes.length,
      chunks: 1,
      copies: 4,
      committedAtMs: 1_000,
      content: contentOf(bytes),
    };
    this.files.set(path, [...versions, { view, content: bytes }]);
    return view;
  }
}

export const sampleJob: JobView = {
  id: "j1",
  name: "sample",
  state: "running",
  model: "m",
  modelVersion: 1,
  totalInputs: 10,
  doneInputs: 4,
  errorInputs: 1,
  batchSize: 2,
  weight: 1,
  priority: 0,
  openQueries: 1,
  doneQueries: 2,
  retries: 0,
  speculativeAttempts: 0,
  submittedAtMs: 5_000,
  elapsedMs: 61_000,
  statistics: {
    count: 2,
    queryRate: 0.5,
    inputRate: 1,
    meanMs: 20.5,
    standardDeviationMs: 1.5,
    medianMs: 20,
    p90Ms: 22,
    p95Ms: 22,
    p99Ms: 22,
  },
};

export function sampleMember(node: string, httpAddress: string): MemberView {
  return {
    node,
    state: "up",
    role: "voter",
    peerAddress: "127.0.0.1:1",
    httpAddress,
    slots: 1,
    incarnation: "i",
    boot: "b",
    store: "s",
    labels: { rack: "r1" },
    sinceMs: 5_000,
  };
}

export const sampleStatus: StatusView = {
  cluster: "c",
  generation: 1,
  node: "n1",
  version: "0.1.0",
  role: "leader",
  leader: "n1",
  term: 3,
  commitIndex: 5,
  appliedIndex: 5,
  lastIndex: 5,
  logTimeMs: 1_000,
  ready: true,
  members: [],
  jobs: { running: 1, paused: 0, ended: 0 },
  executor: { slots: 1, running: 0, queued: 0 },
  store: {
    id: "s1",
    isFull: false,
    scrub: { isRunning: false, chunks: 0, bytes: 0, damaged: 0, passes: 0 },
  },
  loopDelayMsP99: 1.5,
  residentBytes: 100_000_000,
  uptimeMs: 90_000,
};
