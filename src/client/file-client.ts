/** What a client asks of SDFS: files, the names they have, and how all of it is. */
import type {
  FileView,
  FolderUsage,
  FsckFilesView,
  FsckView,
  ListView,
  LocateView,
  MovedView,
  QuotaView,
  RemovedQuota,
  SetQuotaBody,
  StoreView,
} from "../lib/api/files.ts";
import { apiLimits } from "../lib/api/routes.ts";
import type { FileMove } from "../lib/content.ts";
import { assert } from "../lib/types.ts";
import { parse } from "./answers.ts";
import { bulkBody, type BulkFile } from "./bulk.ts";
import { Caller } from "./caller.ts";
import type { CallOptions, MutationOptions, PageQuery } from "./options.ts";
import { segment, segments } from "./paths.ts";
import { download } from "./resume.ts";
import type { Call } from "./transport.ts";
import { type ByteSource, Upload } from "./upload.ts";
import { added, nested } from "./usage.ts";

export class FileClient extends Caller {
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
    return this.mutate(call, parse.file, options);
  }

  /**
   * Writes new versions of many small files in one request: all of them become visible together, or none.
   * @param files at most {@link bulkLimits}
   */
  async putFiles(files: readonly BulkFile[], options: MutationOptions = {}): Promise<FileView[]> {
    const what = `${files.length} files`;
    const upload = new Upload(what, { kind: "reopen", open: () => bulkBody(files) });
    const call: Call = { method: "POST", path: "/v1/files", upload };
    return (await this.mutate(call, parse.files, options)).files;
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
    const query = { version: file.version, ...this.stale() };
    const call: Call = { method: "GET", path: `/v1/files/${segments(file.path)}`, query, signal };
    return download(this.transport, call, file, from);
  }

  /** @param purge it shall not be possible to restore it */
  async removeFile(
    path: string,
    { purge, ...options }: MutationOptions & { readonly purge?: boolean } = {},
  ): Promise<FileView> {
    const query = { purge: purge === true ? true : undefined };
    const call: Call = { method: "DELETE", path: `/v1/files/${segments(path)}`, query };
    return this.mutate(call, parse.file, options);
  }

  /** Makes a removed file readable again, with the versions that are still there. */
  async restoreFile(path: string, options: MutationOptions = {}): Promise<FileView> {
    return this.mutate(
      { method: "POST", path: `/v1/restore/${segments(path)}` },
      parse.file,
      options,
    );
  }

  /** How all chunks are. Pages are of different moments. */
  async fsck(options: CallOptions = {}): Promise<Omit<FsckView, "next">> {
    let sum: Omit<FsckView, "next"> | undefined;
    for await (const { next: _, ...page } of this.pages("/v1/fsck", parse.fsck, {}, options))
      sum = sum === undefined ? page : added(sum, page);
    assert(sum !== undefined, "there is at least one page");
    return sum;
  }

  /** Versions that cannot be read whole. */
  async *fsckFiles(options: CallOptions = {}): AsyncGenerator<FsckFilesView["files"][number]> {
    for await (const { files } of this.pages("/v1/fsck/files", parse.fsckFiles, {}, options))
      yield* files;
  }

  /** Gives files other names, with all their versions, all or none: 1 to 1,000 of them. */
  async move(moves: readonly FileMove[], options: MutationOptions = {}): Promise<MovedView> {
    const call: Call = { method: "POST", path: "/v1/moves", json: { moves } };
    return this.mutate(call, parse.moved, options);
  }

  /** One page of the newest versions of the files whose path begins with `prefix`, sorted by the bytes of their paths. */
  async list(query: PageQuery, options: CallOptions = {}): Promise<ListView> {
    return this.read("/v1/list", parse.list, { ...query }, options);
  }

  /** All pages of {@link list}. */
  async *listAll(
    prefix: string,
    options: CallOptions = {},
  ): AsyncGenerator<ListView["files"][number]> {
    const query = { prefix, limit: apiLimits.pageRows };
    for await (const { files } of this.pages("/v1/list", parse.list, query, options)) yield* files;
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
    const query = { prefix, depth };
    for await (const { folders } of this.pages("/v1/usage", parse.usage, query, options))
      yield* folders;
  }

  /** How much may lie under which prefix, and how much does, by prefix. */
  async quotas(options: CallOptions = {}): Promise<QuotaView[]> {
    return this.read("/v1/quotas", parse.quotas, {}, options);
  }

  /** @param prefix ends in `/`, or is empty: everything */
  async setQuota(
    prefix: string,
    limits: SetQuotaBody,
    options: MutationOptions = {},
  ): Promise<QuotaView> {
    const call: Call = { method: "PUT", path: "/v1/quotas", query: { prefix }, json: limits };
    return this.mutate(call, parse.quota, options);
  }

  async removeQuota(prefix: string, options: MutationOptions = {}): Promise<RemovedQuota> {
    const call: Call = { method: "DELETE", path: "/v1/quotas", query: { prefix } };
    return this.mutate(call, parse.removedQuota, options);
  }

  async stat(
    path: string,
    { version, ...options }: CallOptions & { readonly version?: number | undefined } = {},
  ): Promise<FileView> {
    return this.read(`/v1/stat/${segments(path)}`, parse.file, { version }, options);
  }

  /** The newest versions of those of the paths, 1,000 at most, that exist. */
  async statMany(paths: readonly string[], { signal }: CallOptions = {}): Promise<FileView[]> {
    const query = this.stale();
    const call: Call = { method: "POST", path: "/v1/stat", query, json: { paths }, signal };
    return (await this.transport.json(call, parse.files)).files;
  }

  /** Every version kept, oldest first. */
  async versions(path: string, options: CallOptions = {}): Promise<FileView[]> {
    return this.read(`/v1/versions/${segments(path)}`, parse.versions, {}, options);
  }

  async locate(
    path: string,
    { version, ...options }: CallOptions & { readonly version?: number | undefined } = {},
  ): Promise<LocateView> {
    return this.read(`/v1/locate/${segments(path)}`, parse.locate, { version }, options);
  }

  /** One page of the chunks that a node holds. @param node a name, or `self`: the node that answers */
  async store(
    node: string,
    query: { readonly after?: string | undefined; readonly limit?: number } = {},
    options: CallOptions = {},
  ): Promise<StoreView> {
    return this.read(`/v1/stores/${segment(node)}`, parse.store, query, options);
  }
}
