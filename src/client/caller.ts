/**
 * How a client calls: mutations under one idempotency key, reads that are linearizable unless it is stale, and listings
 * page by page, over whichever node answers.
 */
import { apiLimits } from "../lib/api/routes.ts";
import { parse } from "./answers.ts";
import type { CallOptions, ClientOptions, MutationOptions } from "./options.ts";
import { type Call, Transport } from "./transport.ts";

export class Caller {
  protected readonly transport: Transport;
  protected readonly options: Required<ClientOptions>;

  /** @throws USAGE when no node is named */
  constructor({
    nodes,
    timeoutMs = apiLimits.timeoutMs,
    patienceMs,
    stale = false,
  }: ClientOptions) {
    this.options = { nodes, timeoutMs, patienceMs: patienceMs ?? timeoutMs, stale };
    this.transport = new Transport(this.options);
  }

  /** A key under which a mutation happens at most once, however often it is sent. */
  async newKey({ signal }: CallOptions = {}): Promise<string> {
    const call: Call = { method: "POST", path: "/v1/keys", signal };
    return (await this.transport.json(call, parse.key)).key;
  }

  protected async mutate<T>(
    call: Call,
    parse: (value: unknown) => T,
    { idempotencyKey, signal }: MutationOptions,
  ): Promise<T> {
    const key = idempotencyKey ?? (await this.newKey({ signal }));
    return this.transport.json({ ...call, key, signal }, parse);
  }

  /** A read that is linearizable unless the client is stale. */
  protected async read<T>(
    path: string,
    parse: (value: unknown) => T,
    query: NonNullable<Call["query"]>,
    options: CallOptions,
  ): Promise<T> {
    return this.get(path, parse, { ...query, ...this.stale() }, options);
  }

  /** All pages of a listing, from the first. */
  protected async *pages<Page extends { next?: string | undefined }>(
    path: string,
    parse: (value: unknown) => Page,
    query: NonNullable<Call["query"]>,
    options: CallOptions,
  ): AsyncGenerator<Page> {
    let after: string | undefined;
    do {
      const page = await this.read(path, parse, { ...query, after }, options);
      yield page;
      after = page.next;
    } while (after !== undefined);
  }

  protected async get<T>(
    path: string,
    parse: (value: unknown) => T,
    query: NonNullable<Call["query"]>,
    { signal }: CallOptions,
  ): Promise<T> {
    return this.transport.json({ method: "GET", path, query, signal }, parse);
  }

  protected stale(): { stale?: true } {
    return this.options.stale ? { stale: true } : {};
  }
}
