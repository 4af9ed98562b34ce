/**
 * A small HTTP server that keeps the contract of lib/api/routes.ts, and breaks it on demand: each fault queued on a
 * node spoils one request. Nodes share a {@link FakeCluster}, so that what one did the others know.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { BulkHeader } from "../../src/lib/api/bulk.ts";
import type { RetryJobBody, SetJobBody, SubmitJobBody } from "../../src/lib/api/jobs.ts";
import { type ErrorCode, type ErrorDetails, IDunnoError } from "../../src/lib/errors.ts";
import { chunksOf, FakeCluster, sampleJob, sampleStatus, type StoredFile } from "./fake-cluster.ts";
import { aliases, models } from "./fake-models.ts";
import { list, moveFiles, pageRows, quotas, usage } from "./fake-namespace.ts";

export type Fault =
  /** Lets a request through. */
  | { readonly kind: "none" }
  /** Breaks the connection without doing anything. */
  | { readonly kind: "drop" }
  /** Does what is asked, then breaks the connection. */
  | { readonly kind: "drop-after" }
  /** Breaks the connection after so many bytes of the answer. */
  | { readonly kind: "cut"; readonly bytes: number }
  | { readonly kind: "silent" }
  | { readonly kind: "answer"; readonly status: number; readonly body: string };

export function refusal<C extends ErrorCode>(
  status: number,
  code: C,
  details: ErrorDetails[C],
): Fault {
  const message = new IDunnoError(code, details).message;
  return { kind: "answer", status, body: JSON.stringify({ error: { code, message, details } }) };
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly key: string;
  readonly range: string | undefined;
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly body: string | Buffer;
}

export class FakeNode implements AsyncDisposable {
  readonly cluster: FakeCluster;
  /** One is used up by each request that is not for a key. */
  readonly faults: Fault[] = [];
  /** `METHOD /path?query` of every request, in order. */
  readonly asked: string[] = [];
  readonly keys: string[] = [];
  readonly #server = createServer((request, response) => {
    void this.#serve(request, response).catch((error: unknown) =>
      response.destroy(error instanceof Error ? error : undefined),
    );
  });

  private constructor(cluster: FakeCluster) {
    this.cluster = cluster;
  }

  static async start(cluster: FakeCluster = new FakeCluster(), port = 0): Promise<FakeNode> {
    const node = new FakeNode(cluster);
    await once(node.#server.listen(port, "127.0.0.1"), "listening");
    return node;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", "http://node");
    this.asked.push(`${request.method ?? ""} ${decodeURIComponent(url.pathname)}${url.search}`);
    const fault = url.pathname === "/v1/keys" ? undefined : this.faults.shift();
    if (fault?.kind === "silent") return;
    if (fault?.kind === "drop") return void response.destroy();
    if (fault?.kind === "answer") return reply(response, fault.status, fault.body);
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const key = request.headers["idempotency-key"]?.toString() ?? "";
    if (key !== "") this.keys.push(key);
    const { status, body } = this.#answer({
      method: request.method ?? "",
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      key,
      range: request.headers.range,
      body: Buffer.concat(pieces),
    });
    if (fault?.kind === "drop-after") return void response.destroy();
    if (fault?.kind === "cut") {
      response.writeHead(status, { "content-length": Buffer.byteLength(body) });
      response.write(Buffer.from(body).subarray(0, fault.bytes), () => response.destroy());
      return;
    }
    reply(response, status, body);
  }

  #answer(asked: Asked): Answer {
    try {
      const value = this.#route(asked);
      return Buffer.isBuffer(value) || typeof value === "string"
        ? { status: asked.range === undefined ? 200 : 206, body: value }
        : { status: 200, body: JSON.stringify(value) };
    } catch (error) {
      if (!(error instanceof IDunnoError)) throw error;
      const { code, details, message } = error;
      return {
        status: code === "NOT_FOUND" ? 404 : code === "CONFLICT" ? 409 : 400,
        body: JSON.stringify({ error: { code, message, details } }),
      };
    }
  }

  #route(asked: Asked): unknown {
    const { cluster } = this;
    const [, , table = "", ...rest] = asked.path.split("/");
    const name = rest.join("/");
    switch (table) {
      case "keys":
        return { key: cluster.issueKey() };
      case "status":
        return { ...sampleStatus, members: cluster.members, ...cluster.status };
      case "members":
        return cluster.members;
      case "models":
        return models(cluster, asked, name);
      case "aliases":
        return aliases(cluster, asked, name);
      case "inspect":
        return cluster.network;
      case "settings":
        return this.#settings(asked, name);
      case "jobs":
        return this.#jobs(asked, rest);
      case "assignments":
        return {
          nodes: [{ node: "n1", state: "up", slots: 1, queries: [] }],
          jobs: [],
        };
      case "files":
        return this.#files(asked, name);
      case "stat":
        if (asked.method === "POST") return this.#statMany(asked);
        return this.#file(name, asked.query.get("version")).view;
      case "locate":
        return this.#locate(name, asked.query.get("version"));
      case "versions":
        this.#file(name, null);
        return (cluster.files.get(name) ?? []).map(({ view }) => view);
      case "usage":
        return usage(cluster, asked.query);
      case "quotas":
        return quotas(cluster, asked);
      case "moves":
        return moveFiles(cluster, asked.key, asked.body.toString());
      case "list":
        return list(cluster, asked.query);
      case "stores":
        return { node: "n1", store: "s", chunks: [{ hash: "ab", bytes: 2 }] };
      case "log":
        return this.#log(asked.query);
      default:
        throw new IDunnoError("NOT_FOUND", { kind: "route", name: asked.path, remedy: "none" });
    }
  }

  #settings({ method, key, body, query }: Asked, name: string): unknown {
    const { settings } = this.cluster;
    const view = (each: string) => ({ name: each, value: settings.get(each) ?? "", isSet: true });
    if (method === "PUT")
      return this.cluster.once(key, () => {
        settings.set(name, (JSON.parse(body.toString()) as { value: string }).value);
        return view(name);
      });
    if (method === "DELETE")
      return this.cluster.once(key, () => {
        settings.delete(name);
        return { name };
      });
    if (name !== "") return view(name);
    const { prefix = "", after = "" } = Object.fromEntries(query);
    const names = [...settings.keys()].toSorted();
    const wanted = names.filter((each) => each.startsWith(prefix) && each > after);
    const page = wanted.slice(0, pageRows);
    return {
      settings: page.map(view),
      ...(wanted.length > pageRows ? { next: page.at(-1) } : {}),
    };
  }

  #jobs({ method, key, body, query }: Asked, [id = "", part]: readonly string[]): unknown {
    const { jobs } = this.cluster;
    if (part === "retry")
      return this.cluster.once(key, () => {
        const changes = JSON.parse(body.toString()) as RetryJobBody;
        const job = { ...sampleJob, ...changes, id: `j${jobs.size + 1}`, retryOf: id };
        jobs.set(job.id, job);
        return job;
      });
    if (method === "POST")
      return this.cluster.once(key, () => {
        const { model, name } = JSON.parse(body.toString()) as SubmitJobBody;
        const job = { ...sampleJob, id: `j${jobs.size + 1}`, model, name: name ?? "unnamed" };
        jobs.set(job.id, job);
        return job;
      });
    if (id === "") return [...jobs.values()];
    const job = jobs.get(id);
    if (job === undefined)
      throw new IDunnoError("NOT_FOUND", { kind: "job", name: id, remedy: "check its id" });
    if (part === "results") {
      const lines = this.cluster.results.get(id) ?? [];
      return Buffer.from(lines.map((line) => `${line}\n`).join("") + (query.get("none") ?? ""));
    }
    if (part === "queries") return [{ query: 1, from: 2, count: 2, attempts: [] }];
    if (method !== "PATCH") return job;
    return this.cluster.once(key, () => {
      const changed = { ...job, ...(JSON.parse(body.toString()) as SetJobBody) };
      jobs.set(id, changed);
      return changed;
    });
  }

  #statMany({ body }: Asked): unknown {
    const { paths } = JSON.parse(body.toString()) as { paths: string[] };
    return { files: paths.flatMap((path) => this.cluster.files.get(path)?.at(-1)?.view ?? []) };
  }

  #putMany({ key, body }: Asked): unknown {
    return this.cluster.once(key, () => {
      const files: unknown[] = [];
      for (let at = 0; at < body.length;) {
        const end = body.indexOf("\n", at);
        const { path, bytes } = JSON.parse(body.subarray(at, end).toString()) as BulkHeader;
        at = end + 1 + bytes;
        files.push(this.cluster.addFile(path, body.subarray(end + 1, at)));
      }
      return { files };
    });
  }

  #files(asked: Asked, path: string): unknown {
    const { method, key, body, query, range } = asked;
    if (method === "POST") return this.#putMany(asked);
    if (method === "PUT")
      return this.cluster.once(key, () => {
        const newest = this.cluster.files.get(path)?.length ?? 0;
        if (Number(query.get("ifVersion") ?? newest) !== newest)
          throw new IDunnoError("CONFLICT", { what: path, why: `its newest version is ${newest}` });
        return this.cluster.addFile(path, body);
      });
    const { view, content } = this.#file(path, query.get("version"));
    if (method === "DELETE")
      return this.cluster.once(key, () => {
        this.cluster.files.delete(path);
        return view;
      });
    return content.subarray(Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0));
  }

  #file(path: string, version: string | null): StoredFile {
    const versions = this.cluster.files.get(path) ?? [];
    const file = version === null ? versions.at(-1) : versions[Number(version) - 1];
    if (file !== undefined) return file;
    throw new IDunnoError("NOT_FOUND", { kind: "file", name: path, remedy: "check the path" });
  }

  #locate(name: string, version: string | null): unknown {
    const { view, content } = this.#file(name, version);
    const chunks = chunksOf(content).map(({ hash, bytes }) => ({
      hash,
      bytes,
      replicas: [{ node: "n1", state: "up" }],
    }));
    return { path: name, version: view.version, bytes: view.bytes, chunks };
  }

  #log(query: URLSearchParams): unknown {
    const { log } = this.cluster;
    const from = Number(query.get("from") ?? 1);
    const limit = Math.min(Number(query.get("limit") ?? 1_000), pageRows);
    return {
      firstIndex: log[0]?.index ?? 0,
      lastIndex: log.at(-1)?.index ?? 0,
      commitIndex: log.at(-1)?.index ?? 0,
      entries: log.filter(({ index }) => index >= from).slice(0, limit),
    };
  }
}

function reply(response: ServerResponse, status: number, body: string | Buffer): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body);
}

/** An address where nothing listens: that of a server that has just been closed. */
export async function deadAddress(): Promise<string> {
  const node = await FakeNode.start();
  const { address } = node;
  await node[Symbol.asyncDispose]();
  return address;
}
