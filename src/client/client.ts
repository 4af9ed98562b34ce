/**
 * The client of a cluster: one typed method for each route of lib/api/routes.ts, over any of its nodes. It stays with
 * the node that answered last, goes on to the next on failure, and repeats mutations under one idempotency key, so that
 * what is asked once happens once. Answers are checked against the schemas: a wrong server gives MALFORMED.
 */
import type {
  AddModelBody,
  LeaderView,
  MemberView,
  ModelView,
  RemovedSetting,
  SettingsView,
  SettingView,
  StatusView,
} from "../lib/api/cluster.ts";
import type {
  FileView,
  FolderUsage,
  ListView,
  LocateView,
  LogView,
  MovedView,
  QuotaView,
  RemovedQuota,
  SetQuotaBody,
  StoreView,
} from "../lib/api/files.ts";
import type {
  AssignmentsView,
  JobView,
  QueryView,
  ResultLine,
  SetJobBody,
  SubmitJobBody,
} from "../lib/api/jobs.ts";
import { apiLimits } from "../lib/api/routes.ts";
import type { FileMove } from "../lib/content.ts";
import { parse, parseResultLine } from "./answers.ts";
import { bulkBody, type BulkFile } from "./bulk.ts";
import { download, followLines } from "./resume.ts";
import type { CallOptions, ClientOptions, MutationOptions, PageQuery } from "./options.ts";
import { segment, segments } from "./paths.ts";
import { type Call, Transport } from "./transport.ts";
import { nested } from "./usage.ts";
import { type ByteSource, Upload } from "./upload.ts";

export type { BulkFile } from "./bulk.ts";
export type { ByteSource } from "./upload.ts";
export type { CallOptions, ClientOptions, MutationOptions, PageQuery } from "./options.ts";

export class IDunnoClient {
  readonly #transport: Transport;
  readonly #options: Required<ClientOptions>;

  /** @throws USAGE when no node is named */
  constructor({
    nodes,
    timeoutMs = apiLimits.timeoutMs,
    patienceMs,
    stale = false,
  }: ClientOptions) {
    this.#options = { nodes, timeoutMs, patienceMs: patienceMs ?? timeoutMs, stale };
    this.#transport = new Transport(this.#options);
  }

  /** The nodes known so far, `host:port`. */
  get nodes(): readonly string[] {
    return this.#transport.ring.nodes;
  }

  /** The node that answered last, or the one to be asked first. */
  get current(): string {
    return this.#transport.ring.current;
  }

  /** A client of the current node alone, for what differs from node to node: its status and its log. */
  pinned(): IDunnoClient {
    return new IDunnoClient({ ...this.#options, nodes: [this.current] });
  }

  /** What the node that answers sees; the other members become fall-backs. */
  async status(options: CallOptions = {}): Promise<StatusView> {
    const status = await this.#get("/v1/status", parse.status, {}, options);
    this.#learn(status.members);
    return status;
  }

  async members(options: CallOptions = {}): Promise<MemberView[]> {
    const members = await this.#read("/v1/members", parse.members, {}, options);
    this.#learn(members);
    return members;
  }

  /** Asks a member to leave for good; it has left when {@link members} shows it no more. */
  async removeMember(node: string, options: MutationOptions = {}): Promise<MemberView> {
    const path = `/v1/members/${segment(node)}`;
    return this.#mutate({ method: "DELETE", path }, parse.member, options);
  }

  /** Hands the leadership over, to the voter that is furthest unless one is named. Answers who leads then. */
  async handOver(to: string | undefined, options: MutationOptions = {}): Promise<LeaderView> {
    const json = to === undefined ? {} : { to };
    return this.#mutate({ method: "POST", path: "/v1/leader", json }, parse.leader, options);
  }

  async models(options: CallOptions = {}): Promise<ModelView[]> {
    return this.#read("/v1/models", parse.models, {}, options);
  }

  async model(name: string, options: CallOptions = {}): Promise<ModelView> {
    return this.#read(`/v1/models/${segment(name)}`, parse.model, {}, options);
  }

  async addModel(body: AddModelBody, options: MutationOptions = {}): Promise<ModelView> {
    return this.#mutate({ method: "POST", path: "/v1/models", json: body }, parse.model, options);
  }

  /** One page of the settings whose name begins with `prefix`, by name. */
  async settings(query: PageQuery, options: CallOptions = {}): Promise<SettingsView> {
    return this.#read("/v1/settings", parse.settings, { ...query }, options);
  }

  async setting(name: string, options: CallOptions = {}): Promise<SettingView> {
    return this.#read(`/v1/settings/${segment(name)}`, parse.setting, {}, options);
  }

  async set(name: string, value: string, options: MutationOptions = {}): Promise<SettingView> {
    const path = `/v1/settings/${segment(name)}`;
    return this.#mutate({ method: "PUT", path, json: { value } }, parse.setting, options);
  }

  async unset(name: string, options: MutationOptions = {}): Promise<RemovedSetting> {
    const path = `/v1/settings/${segment(name)}`;
    return this.#mutate({ method: "DELETE", path }, parse.removedSetting, options);
  }

  async submitJob(body: SubmitJobBody, options: MutationOptions = {}): Promise<JobView> {
    return this.#mutate({ method: "POST", path: "/v1/jobs", json: body }, parse.job, options);
  }

  async jobs(options: CallOptions = {}): Promise<JobView[]> {
    return this.#read("/v1/jobs", parse.jobs, {}, options);
  }

  async job(id: string, options: CallOptions = {}): Promise<JobView> {
    return this.#read(`/v1/jobs/${segment(id)}`, parse.job, {}, options);
  }

  async setJob(id: string, body: SetJobBody, options: MutationOptions = {}): Promise<JobView> {
    const path = `/v1/jobs/${segment(id)}`;
    return this.#mutate({ method: "PATCH", path, json: body }, parse.job, options);
  }

  /** The lines of a job's results as they are on the wire, in input order; with `follow` until the job has ended. */
  resultLines(
    id: string,
    { follow = false, signal }: CallOptions & { readonly follow?: boolean } = {},
  ): AsyncGenerator<string> {
    const path = `/v1/jobs/${segment(id)}/results`;
    const query = { follow: follow ? true : undefined, ...this.#stale() };
    return followLines(this.#transport, { method: "GET", path, query, signal }, follow);
  }

  /** The results of a job, typed. @throws MALFORMED for a line that is not one */
  async *results(
    id: string,
    options: CallOptions & { readonly follow?: boolean } = {},
  ): AsyncGenerator<ResultLine> {
    for await (const line of this.resultLines(id, options)) yield parseResultLine(line);
  }

  async jobQueries(id: string, options: CallOptions = {}): Promise<QueryView[]> {
    return this.#read(`/v1/jobs/${segment(id)}/queries`, parse.queries, {}, options);
  }

  async assignments(options: CallOptions = {}): Promise<AssignmentsView> {
    return this.#read("/v1/assignments", parse.assignments, {}, options);
  }

  /**
   * Writes a new version of a file.
   * @param ifVersion only when this is the newest version now (0: when there is none)
   * @throws CLOSED when the connection broke and the source cannot be read again
   */
  async putFile(
    path: string,
    source: ByteSource,
    { ifVersion, ...options }: MutationOptions & { readonly ifVersion?: number } = {},
  ): Promise<FileView> {
    const call: Call = {
      method: "PUT",
      path: `/v1/files/${segments(path)}`,
      query: { ifVersion },
      upload: new Upload(path, source),
    };
    return this.#mutate(call, parse.file, options);
  }

  /**
   * Writes new versions of many small files in one request: all of them become visible together, or none.
   * @param files at most {@link bulkLimits}
   */
  async putFiles(files: readonly BulkFile[], options: MutationOptions = {}): Promise<FileView[]> {
    const what = `${files.length} files`;
    const upload = new Upload(what, { kind: "reopen", open: () => bulkBody(files) });
    const call: Call = { method: "POST", path: "/v1/files", upload };
    return (await this.#mutate(call, parse.files, options)).files;
  }

  /**
   * The bytes of a file. When a node dies half-way another one goes on, always with the same version.
   * @param version default the newest
   */
  async getFile(
    path: string,
    { version, signal }: CallOptions & { readonly version?: number | undefined } = {},
  ): Promise<{ readonly file: FileView; readonly body: AsyncGenerator<Uint8Array> }> {
    const file = await this.stat(path, { version, signal });
    return { file, body: this.fileBytes(file, { signal }) };
  }

  /** The bytes of a version that is known, from the offset `from` on. */
  fileBytes(
    file: FileView,
    { from = 0, signal }: CallOptions & { readonly from?: number } = {},
  ): AsyncGenerator<Uint8Array> {
    const query = { version: file.version, ...this.#stale() };
    const call: Call = { method: "GET", path: `/v1/files/${segments(file.path)}`, query, signal };
    return download(this.#transport, call, file, from);
  }

  async removeFile(path: string, options: MutationOptions = {}): Promise<FileView> {
    const call: Call = { method: "DELETE", path: `/v1/files/${segments(path)}` };
    return this.#mutate(call, parse.file, options);
  }

  /** Gives files other names, with all their versions, all or none: 1 to 1,000 of them. */
  async move(moves: readonly FileMove[], options: MutationOptions = {}): Promise<MovedView> {
    const call: Call = { method: "POST", path: "/v1/moves", json: { moves } };
    return this.#mutate(call, parse.moved, options);
  }

  /** One page of the newest versions of the files whose path begins with `prefix`, sorted by the bytes of their paths. */
  async list(query: PageQuery, options: CallOptions = {}): Promise<ListView> {
    return this.#read("/v1/list", parse.list, { ...query }, options);
  }

  /** All pages of {@link list}. */
  async *listAll(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<ListView["files"][number]> {
    let after: string | undefined;
    do {
      const page = await this.list({ prefix, after, limit: apiLimits.pageRows }, options);
      yield* page.files;
      after = page.next;
    } while (after !== undefined);
  }

  /**
   * How much lies under a prefix, a folder after those in it, the prefix itself last. Pages are of different moments.
   * @param depth folders under the prefix that are told apart: 0 gives the prefix alone
   */
  usage(prefix: string, depth: number, options: CallOptions = {}): AsyncGenerator<FolderUsage> {
    return nested(this.#usageParts(prefix, depth, options), prefix);
  }

  async *#usageParts(
    prefix: string,
    depth: number,
    options: CallOptions,
  ): AsyncGenerator<FolderUsage> {
    let after: string | undefined;
    do {
      const page = await this.#read("/v1/usage", parse.usage, { prefix, after, depth }, options);
      yield* page.folders;
      after = page.next;
    } while (after !== undefined);
  }

  /** How much may lie under which prefix, and how much does, by prefix. */
  async quotas(options: CallOptions = {}): Promise<QuotaView[]> {
    return this.#read("/v1/quotas", parse.quotas, {}, options);
  }

  /** @param prefix ends in `/`, or is empty: everything */
  async setQuota(
    prefix: string,
    limits: SetQuotaBody,
    options: MutationOptions = {},
  ): Promise<QuotaView> {
    const call: Call = { method: "PUT", path: "/v1/quotas", query: { prefix }, json: limits };
    return this.#mutate(call, parse.quota, options);
  }

  async removeQuota(prefix: string, options: MutationOptions = {}): Promise<RemovedQuota> {
    const call: Call = { method: "DELETE", path: "/v1/quotas", query: { prefix } };
    return this.#mutate(call, parse.removedQuota, options);
  }

  async stat(
    path: string,
    { version, ...options }: CallOptions & { readonly version?: number | undefined } = {},
  ): Promise<FileView> {
    return this.#read(`/v1/stat/${segments(path)}`, parse.file, { version }, options);
  }

  /** The newest versions of those of the paths, 1,000 at most, that exist. */
  async statMany(paths: readonly string[], { signal }: CallOptions = {}): Promise<FileView[]> {
    const query = this.#stale();
    const call: Call = { method: "POST", path: "/v1/stat", query, json: { paths }, signal };
    return (await this.#transport.json(call, parse.files)).files;
  }

  /** Every version kept, oldest first. */
  async versions(path: string, options: CallOptions = {}): Promise<FileView[]> {
    return this.#read(`/v1/versions/${segments(path)}`, parse.versions, {}, options);
  }

  async locate(
    path: string,
    { version, ...options }: CallOptions & { readonly version?: number | undefined } = {},
  ): Promise<LocateView> {
    return this.#read(`/v1/locate/${segments(path)}`, parse.locate, { version }, options);
  }

  /** One page of the chunks that a node holds. @param node a name, or `self`: the node that answers */
  async store(
    node: string,
    query: { readonly after?: string | undefined; readonly limit?: number } = {},
    options: CallOptions = {},
  ): Promise<StoreView> {
    return this.#read(`/v1/stores/${segment(node)}`, parse.store, query, options);
  }

  /** Entries of the answering node's own log. */
  async log(
    query: { readonly from?: number; readonly limit?: number } = {},
    options: CallOptions = {},
  ): Promise<LogView> {
    return this.#get("/v1/log", parse.log, query, options);
  }

  /** A key under which a mutation happens at most once, however often it is sent. */
  async newKey({ signal }: CallOptions = {}): Promise<string> {
    const call: Call = { method: "POST", path: "/v1/keys", signal };
    return (await this.#transport.json(call, parse.key)).key;
  }

  async #mutate<T>(
    call: Call,
    parse: (value: unknown) => T,
    { idempotencyKey, signal }: MutationOptions,
  ): Promise<T> {
    const key = idempotencyKey ?? (await this.newKey({ signal }));
    return this.#transport.json({ ...call, key, signal }, parse);
  }

  /** A read that is linearizable unless the client is stale. */
  async #read<T>(
    path: string,
    parse: (value: unknown) => T,
    query: NonNullable<Call["query"]>,
    options: CallOptions,
  ): Promise<T> {
    return this.#get(path, parse, { ...query, ...this.#stale() }, options);
  }

  async #get<T>(
    path: string,
    parse: (value: unknown) => T,
    query: NonNullable<Call["query"]>,
    { signal }: CallOptions,
  ): Promise<T> {
    return this.#transport.json({ method: "GET", path, query, signal }, parse);
  }

  #stale(): { stale?: true } {
    return this.#options.stale ? { stale: true } : {};
  }

  #learn(members: readonly MemberView[]): void {
    this.#transport.ring.learn(
      members.filter(({ state }) => state !== "down").map(({ httpAddress }) => httpAddress),
    );
  }
}
