/**
 * The HTTP interface over the real state machine and the real file service of a node that is alone: what it decides is
 * applied at once, to rows in memory, and chunks lie in a map.
 */
import { request } from "node:http";
import { fromWire, IDunnoError } from "../../../src/lib/errors.ts";
import type { OutcomeValue } from "../../../src/lib/outcome.ts";
import { type ChunkHash, LogTime } from "../../../src/lib/types.ts";
import type { Operation } from "../../../src/machine/commands.ts";
import type { ChunkService } from "../../../src/node/chunk-service.ts";
import type { Coordination } from "../../../src/node/coordination.ts";
import { Files } from "../../../src/node/files.ts";
import { Inputs } from "../../../src/node/inputs.ts";
import { type HttpServer, startHttp } from "../../../src/node/http/server.ts";
import type { ModelState } from "../../../src/node/model-preloader.ts";
import type { Services } from "../../../src/node/services.ts";
import type { StateStore } from "../../../src/node/stores/state-store.ts";
import { systemRuntime } from "../../../src/node/system-runtime.ts";
import { cutChunks } from "../../../src/sdfs/chunks/cut.ts";
import { hashOf } from "../../../src/sdfs/chunks/hash.ts";
import { cluster, type Replica } from "../../machine/fixtures.ts";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A node's state over a replica's rows: reads as LevelDB would. */
export function stateOf(replica: Replica): StateStore {
  return {
    get: (key: string) => replica.row(key),
    get appliedIndex() {
      return replica.index;
    },
    async *rows(prefix: string, after = "") {
      const isLater = (key: string): boolean => Buffer.compare(bytes(key), bytes(after)) > 0;
      const keys = [...replica.rows.keys()].filter((key) => key.startsWith(prefix) && isLater(key));
      const found = keys
        .toSorted((a, b) => Buffer.compare(bytes(a), bytes(b)))
        .map((key) => [key, replica.row(key)] as const);
      yield* found;
    },
  } as unknown as StateStore;
}

export class HttpNode implements AsyncDisposable {
  readonly replica: Replica;
  readonly files: Files;
  readonly inputs: Inputs;
  /** Bytes taken by puts, whether or not they became visible. */
  readonly chunks = new Map<ChunkHash, Uint8Array>();
  /** What has become of every model here. */
  modelState: ModelState = { state: "loaded" };
  /** What another node answers. */
  askPeer: (...asked: unknown[]) => unknown = () => {
    throw new IDunnoError("UNREACHABLE", { nodes: ["n2"] });
  };
  #server: HttpServer | undefined;
  #keys = 0;

  private constructor(replica: Replica) {
    this.replica = replica;
    this.files = new Files({
      machine: replica.machine,
      state: stateOf(replica),
      chunks: this.#chunkService(),
      coordination: this.#coordination(),
      runtime: systemRuntime,
    });
    this.inputs = new Inputs({ files: this.files, chunks: this.#chunkService() });
  }

  static async start(replica = cluster(1)): Promise<HttpNode> {
    const node = new HttpNode(replica);
    node.#server = await startHttp({ host: "127.0.0.1", port: 0 }, {
      machine: replica.machine,
      state: stateOf(replica),
      files: node.files,
      coordination: node.#coordination(),
      inputs: node.inputs,
      runtime: systemRuntime,
      logClock: { now: () => LogTime(replica.at) },
      applier: {
        get appliedIndex() {
          return replica.index;
        },
        reached: async () => undefined,
      },
      identity: { node: "n1" },
      modelState: () => node.modelState,
      peers: { request: async (...asked: unknown[]) => node.askPeer(...asked) },
    } as unknown as Services);
    return node;
  }

  get address(): string {
    return `127.0.0.1:${this.#server?.port ?? 0}`;
  }

  /** Asks exactly for this path: `fetch` would fold `a/../b`. */
  async ask(
    method: string,
    path: string,
    { body, key }: { readonly body?: unknown; readonly key?: string } = {},
  ): Promise<Answer> {
    const isJson = body !== undefined && typeof body !== "string";
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          host: "127.0.0.1",
          port: this.#server?.port,
          method,
          path,
          headers: {
            ...(isJson ? { "content-type": "application/json" } : {}),
            ...(key === undefined ? {} : { "idempotency-key": key }),
          },
        },
        (answer) => {
          const pieces: Buffer[] = [];
          answer.on("data", (piece: Buffer) => pieces.push(piece));
          answer.on("error", reject);
          answer.on("end", () =>
            resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(pieces).toString() }),
          );
        },
      );
      asked.on("error", reject);
      asked.end(isJson ? JSON.stringify(body) : body);
    });
  }

  /** The answer's JSON, as a test that knows its shape reads it. */
  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return JSON.parse((await this.ask(method, path, { body })).body) as T;
  }

  /** As a put cuts what it is given. */
  cut(content: AsyncIterable<Uint8Array>): ReturnType<ChunkService["cut"]> {
    return this.#chunkService().cut(content);
  }

  async put(path: string, content: string): Promise<Answer> {
    return this.ask("PUT", `/v1/files/${path}`, { body: content });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.close();
  }

  #coordination(): Coordination {
    return {
      mintKey: () => `${this.replica.at}-${(this.#keys += 1).toString(16).padStart(16, "0")}`,
      linearize: async () => undefined,
      decide: async (
        operation: Operation,
        { key }: { readonly key: string | undefined },
      ): Promise<OutcomeValue> => {
        const { outcome } = this.replica.apply(operation, key);
        if (outcome.kind === "refused") throw fromWire(outcome);
        return outcome.value;
      },
    } as unknown as Coordination;
  }

  #chunkService(): ChunkService {
    return {
      hash: async (piece: Uint8Array) => hashOf(piece),
      cut: (content: AsyncIterable<Uint8Array>) => cutChunks(content, hashOf),
      upStores: () => "store1",
      refuseIfFull: () => undefined,
      replicate: async (hash: ChunkHash, piece: Uint8Array) => {
        this.chunks.set(hash, piece);
        const replicas = [{ store: "store1", index: this.replica.index }];
        return { hash, bytes: piece.length, replicas };
      },
      read: async (hash: ChunkHash) => this.chunks.get(hash),
    } as unknown as ChunkService;
  }
}

function bytes(text: string): Buffer {
  return Buffer.from(text);
}
