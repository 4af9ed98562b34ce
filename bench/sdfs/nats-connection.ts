/**
 * As much of the NATS protocol as an object store needs: text lines, and payloads of announced length. Written by hand,
 * so that no library has to be installed. https://docs.nats.io/reference/reference-protocols/nats-protocol
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { IDunnoError } from "../../src/lib/errors.ts";

export interface Message {
  /** The status line and headers, where there are any. */
  readonly headers: string;
  readonly payload: Buffer;
  readonly reply: string | undefined;
}

/** An answer that takes longer has failed. */
const answerMs = 30_000;
const lineEnd = Buffer.from("\r\n");

export class NatsConnection implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #handlers = new Map<string, (message: Message) => void>();
  /** By the id of the subscription. */
  readonly #delivered = new Map<string, (message: Message) => void>();
  readonly #inbox = `_INBOX.${process.pid}.${Math.random().toString(36).slice(2)}`;
  #pending: Buffer = Buffer.alloc(0);
  #subscriptions = 0;
  #replies = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data: Buffer) => this.#receive(data));
    socket.on("error", () => undefined); // whoever waits for an answer gets none, in time
    this.#subscribe(`${this.#inbox}.*`);
  }

  static async open(port: number): Promise<NatsConnection> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await once(socket, "connect");
    socket.write('CONNECT {"verbose":false,"headers":true,"lang":"bench","version":"1"}\r\n');
    return new NatsConnection(socket);
  }

  /** A subject of its own, to be given to a consumer: what it delivers keeps the subject it was published under. */
  deliverTo(handler: (message: Message) => void): string {
    const subject = `${this.#inbox}.d.${this.#subscriptions}`;
    this.#delivered.set(this.#subscribe(subject), handler);
    return subject;
  }

  /** A fresh subject for an answer, which goes to `handler`. */
  #answer(handler: (message: Message) => void): string {
    const subject = `${this.#inbox}.${(this.#replies += 1)}`;
    this.#handlers.set(subject, handler);
    return subject;
  }

  /** Publishes, and waits for the JSON that answers. @throws INTERNAL when it is an error */
  async request(
    subject: string,
    payload: Uint8Array | string,
    {
      headers = "",
      withinMs = answerMs,
    }: { readonly headers?: string; readonly withinMs?: number } = {},
  ): Promise<Record<string, unknown>> {
    const answer = await new Promise<Message>((resolve, reject) => {
      const failed = (): void => {
        this.#handlers.delete(reply);
        reject(new IDunnoError("TIMED_OUT", { what: `NATS ${subject}`, afterMs: withinMs }));
      };
      const timer = setTimeout(failed, withinMs);
      const reply = this.#answer((message) => {
        clearTimeout(timer);
        this.#handlers.delete(reply);
        resolve(message);
      });
      this.publish(subject, payload, { reply, headers });
    });
    const text = answer.payload.toString();
    const value = (text === "" ? { error: answer.headers } : JSON.parse(text)) as Record<
      string,
      unknown
    >;
    if (value["error"] === undefined) return value;
    throw new IDunnoError("INTERNAL", { message: `NATS ${subject}: ${JSON.stringify(value)}` });
  }

  publish(
    subject: string,
    payload: Uint8Array | string,
    { reply = "", headers = "" }: { readonly reply?: string; readonly headers?: string } = {},
  ): void {
    const body = Buffer.from(payload);
    const total = headers.length + body.length;
    const line =
      headers === ""
        ? `PUB ${subject} ${reply} ${total}\r\n`
        : `HPUB ${subject} ${reply} ${headers.length} ${total}\r\n${headers}`;
    this.#socket.cork();
    this.#socket.write(line);
    this.#socket.write(body);
    this.#socket.write(lineEnd);
    this.#socket.uncork();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }

  #subscribe(subject: string): string {
    const id = String((this.#subscriptions += 1));
    this.#socket.write(`SUB ${subject} ${id}\r\n`);
    return id;
  }

  #receive(data: Buffer): void {
    this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    let at = 0;
    for (;;) {
      const end = this.#pending.indexOf(lineEnd, at);
      if (end < 0) break;
      const words = this.#pending.subarray(at, end).toString("latin1").split(" ");
      const after = end + lineEnd.length;
      const [verb = ""] = words;
      if (verb === "PING") this.#socket.write("PONG\r\n");
      if (verb !== "MSG" && verb !== "HMSG") {
        at = after;
        continue;
      }
      // MSG subject sid [reply] total · HMSG subject sid [reply] header total
      const total = Number(words.at(-1));
      if (this.#pending.length < after + total + lineEnd.length) break;
      const headerBytes = verb === "HMSG" ? Number(words.at(-2)) : 0;
      const reply = words.length > (verb === "HMSG" ? 5 : 4) ? words[3] : undefined;
      const [, subject = "", id = ""] = words;
      const handler = this.#delivered.get(id) ?? this.#handlers.get(subject);
      handler?.({
        headers: this.#pending.subarray(after, after + headerBytes).toString("latin1"),
        payload: Buffer.from(this.#pending.subarray(after + headerBytes, after + total)),
        reply,
      });
      at = after + total + lineEnd.length;
    }
    this.#pending = this.#pending.subarray(at);
  }
}
