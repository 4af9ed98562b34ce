/**
 * The client of a cluster: one typed method for each route of lib/api/routes.ts, over any of its nodes. It stays with
 * the node that answered last, goes on to the next on failure, and repeats mutations under one idempotency key, so that
 * what is asked once happens once. Answers are checked against the schemas: a wrong server gives MALFORMED.
 */
import type {
  AddModelBody,
  InspectBody,
  LeaderView,
  MemberView,
  ModelView,
  NetworkView,
  RemovedSetting,
  SettingsView,
  SettingView,
  StatusView,
} from "../lib/api/cluster.ts";
import type { AliasView, RemovedAlias, RemovedModel, SetModelBody } from "../lib/api/models.ts";
import type { LogView } from "../lib/api/files.ts";
import type {
  AssignmentsView,
  JobView,
  QueryView,
  ResultLine,
  RetryJobBody,
  SetJobBody,
  SubmitJobBody,
} from "../lib/api/jobs.ts";
import { parse, parseResultLine } from "./answers.ts";
import { FileClient } from "./file-client.ts";
import { followLines } from "./resume.ts";
import type { CallOptions, ModelOptions, MutationOptions, PageQuery } from "./options.ts";
import { segment } from "./paths.ts";

export type { BulkFile } from "./bulk.ts";
export type { ByteSource } from "./upload.ts";
export type { CallOptions, ClientOptions, MutationOptions, PageQuery } from "./options.ts";

export class IDunnoClient extends FileClient {
  /** The nodes known so far, `host:port`. */
  get nodes(): readonly string[] {
    return this.transport.ring.nodes;
  }

  /** The node that answered last, or the one to be asked first. */
  get current(): string {
    return this.transport.ring.current;
  }

  /** A client of the current node alone, for what differs from node to node: its status and its log. */
  pinned(): IDunnoClient {
    return new IDunnoClient({ ...this.options, nodes: [this.current] });
  }

  /** What the node that answers sees; the other members become fall-backs. */
  async status(options: CallOptions = {}): Promise<StatusView> {
    const status = await this.get("/v1/status", parse.status, {}, options);
    this.#learn(status.members);
    return status;
  }

  async members(options: CallOptions = {}): Promise<MemberView[]> {
    const members = await this.read("/v1/members", parse.members, {}, options);
    this.#learn(members);
    return members;
  }

  /** Asks a member to leave for good; it has left when {@link members} shows it no more. */
  async removeMember(node: string, options: MutationOptions = {}): Promise<MemberView> {
    const path = `/v1/members/${segment(node)}`;
    return this.mutate({ method: "DELETE", path }, parse.member, options);
  }

  /** Hands the leadership over, to the voter that is furthest unless one is named. Answers who leads then. */
  async handOver(to: string | undefined, options: MutationOptions = {}): Promise<LeaderView> {
    const json = to === undefined ? {} : { to };
    return this.mutate({ method: "POST", path: "/v1/leader", json }, parse.leader, options);
  }

  /** What names stand for: the newest version of each model, and those that aliases name. */
  async models({ loaded, ...options }: ModelOptions = {}): Promise<ModelView[]> {
    return this.read("/v1/models", parse.models, { loaded }, options);
  }

  /** @param name `NAME`, `NAME@3`, or an alias */
  async model(name: string, { loaded, ...options }: ModelOptions = {}): Promise<ModelView> {
    return this.read(`/v1/models/${segment(name)}`, parse.model, { loaded }, options);
  }

  /** All versions of a model, oldest first. */
  async modelVersions(
    name: string,
    { loaded, ...options }: ModelOptions = {},
  ): Promise<ModelView[]> {
    const path = `/v1/models/${segment(name)}/versions`;
    return this.read(path, parse.models, { loaded }, options);
  }

  /** Has every node load a model, or let it go. Answers at once: {@link model} tells which nodes have it. */
  async setModel(
    name: string,
    body: SetModelBody,
    options: MutationOptions = {},
  ): Promise<ModelView> {
    const path = `/v1/models/${segment(name)}`;
    return this.mutate({ method: "PATCH", path, json: body }, parse.model, options);
  }

  /**
   * Takes all versions of a name away, or one. Jobs that run it go on.
   * @param name `NAME`, or `NAME@3`
   */
  async removeModel(
    name: string,
    { keepFile = false, ...options }: MutationOptions & { readonly keepFile?: boolean } = {},
  ): Promise<RemovedModel> {
    const query = keepFile ? { keepFile } : {};
    const path = `/v1/models/${segment(name)}`;
    return this.mutate({ method: "DELETE", path, query }, parse.removedModel, options);
  }

  /** Another name for a model. @param model `NAME`: whichever version is the newest; or `NAME@3` */
  async setAlias(alias: string, model: string, options: MutationOptions = {}): Promise<AliasView> {
    const path = `/v1/aliases/${segment(alias)}`;
    return this.mutate({ method: "PUT", path, json: { model } }, parse.alias, options);
  }

  async removeAlias(alias: string, options: MutationOptions = {}): Promise<RemovedAlias> {
    const path = `/v1/aliases/${segment(alias)}`;
    return this.mutate({ method: "DELETE", path }, parse.removedAlias, options);
  }

  async addModel(body: AddModelBody, options: MutationOptions = {}): Promise<ModelView> {
    return this.mutate({ method: "POST", path: "/v1/models", json: body }, parse.model, options);
  }

  /** What a network in SDFS says of itself; a node opens it and runs it on zeros. */
  async inspect(body: InspectBody, { signal }: CallOptions = {}): Promise<NetworkView> {
    const call = { method: "POST", path: "/v1/inspect", json: body, signal } as const;
    return this.transport.json(call, parse.network);
  }

  /** One page of the settings whose name begins with `prefix`, by name. */
  async settings(query: PageQuery, options: CallOptions = {}): Promise<SettingsView> {
    return this.read("/v1/settings", parse.settings, { ...query }, options);
  }

  async setting(name: string, options: CallOptions = {}): Promise<SettingView> {
    return this.read(`/v1/settings/${segment(name)}`, parse.setting, {}, options);
  }

  async set(name: string, value: string, options: MutationOptions = {}): Promise<SettingView> {
    const path = `/v1/settings/${segment(name)}`;
    return this.mutate({ method: "PUT", path, json: { value } }, parse.setting, options);
  }

  async unset(name: string, options: MutationOptions = {}): Promise<RemovedSetting> {
    const path = `/v1/settings/${segment(name)}`;
    return this.mutate({ method: "DELETE", path }, parse.removedSetting, options);
  }

  async submitJob(body: SubmitJobBody, options: MutationOptions = {}): Promise<JobView> {
    return this.mutate({ method: "POST", path: "/v1/jobs", json: body }, parse.job, options);
  }

  async jobs(options: CallOptions = {}): Promise<JobView[]> {
    return this.read("/v1/jobs", parse.jobs, {}, options);
  }

  async job(id: string, options: CallOptions = {}): Promise<JobView> {
    return this.read(`/v1/jobs/${segment(id)}`, parse.job, {}, options);
  }

  /** A new job over what of an ended one failed or was never done; `body` says what is to be otherwise. */
  async retryJob(id: string, body: RetryJobBody, options: MutationOptions = {}): Promise<JobView> {
    const path = `/v1/jobs/${segment(id)}/retry`;
    return this.mutate({ method: "POST", path, json: body }, parse.job, options);
  }

  async setJob(id: string, body: SetJobBody, options: MutationOptions = {}): Promise<JobView> {
    const path = `/v1/jobs/${segment(id)}`;
    return this.mutate({ method: "PATCH", path, json: body }, parse.job, options);
  }

  /** The lines of a job's results as they are on the wire, in input order; with `follow` until the job has ended. */
  resultLines(
    id: string,
    { follow = false, signal }: CallOptions & { readonly follow?: boolean } = {},
  ): AsyncGenerator<string> {
    const path = `/v1/jobs/${segment(id)}/results`;
    const query = { follow: follow ? true : undefined, ...this.stale() };
    return followLines(this.transport, { method: "GET", path, query, signal }, follow);
  }

  /** The results of a job, typed. @throws MALFORMED for a line that is not one */
  async *results(
    id: string,
    options: CallOptions & { readonly follow?: boolean } = {},
  ): AsyncGenerator<ResultLine> {
    for await (const line of this.resultLines(id, options)) yield parseResultLine(line);
  }

  async jobQueries(id: string, options: CallOptions = {}): Promise<QueryView[]> {
    return this.read(`/v1/jobs/${segment(id)}/queries`, parse.queries, {}, options);
  }

  async assignments(options: CallOptions = {}): Promise<AssignmentsView> {
    return this.read("/v1/assignments", parse.assignments, {}, options);
  }
  /** Entries of the answering node's own log. */
  async log(
    query: { readonly from?: number; readonly limit?: number } = {},
    options: CallOptions = {},
  ): Promise<LogView> {
    return this.get("/v1/log", parse.log, query, options);
  }

  #learn(members: readonly MemberView[]): void {
    this.transport.ring.learn(
      members.filter(({ state }) => state !== "down").map(({ httpAddress }) => httpAddress),
    );
  }
}
