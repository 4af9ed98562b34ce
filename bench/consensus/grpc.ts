/**
 * One gRPC call, over and over, many at a time on one connection: etcd's `KV/Put`. HTTP/2 (RFC 9113) is written by hand
 * as far as that one call needs it, since the load must cost the machine no more for etcd than it does for IDunno:
 * node's http2 takes several times as long for each stream as its own sockets do for a frame.
 *
 * Every call has the same headers, written without compression state, and an answer is told by its frames alone: data and
 * then the end is success, an end without data is gRPC's way to say that the call failed.
 */
import { connect, type Socket } from "node:net";
import { IDunnoError } from "../../src/lib/errors.ts";
import { keyName, type Putter, value } from "./putter.ts";

const frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 };
const flag = { ack: 1, endStream: 1, endHeaders: 4 };
const frameHeaderBytes = 9;
/** What a side may send before it hears of more room (RFC 9113 §6.9.2). */
const initialWindowBytes = 65_535;
/** Room is given back in pieces of about this size; well under the window. */
const giveBackBytes = 16_384;

export async function connectEtcd(address: {
  readonly host: string;
  readonly port: number;
}): Promise<Putter> {
  const socket = connect(address);
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return new EtcdConnection(socket, `${address.host}:${address.port}`);
}

interface Call {
  answered: boolean;
  readonly resolve: () => void;
  readonly reject: (error: IDunnoError) => void;
}

class EtcdConnection implements Putter {
  readonly #socket: Socket;
  readonly #headers: Buffer;
  readonly #calls = new Map<number, Call>();
  #nextStream = 1;
  #outgoing: Buffer[] = [];
  #received: Buffer = Buffer.alloc(0);
  #toGiveBack = 0;
  #sendWindow = initialWindowBytes;

  constructor(socket: Socket, authority: string) {
    this.#socket = socket;
    this.#headers = requestHeaders(authority);
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.#send(frame.settings, 0, 0, Buffer.alloc(0));
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.once("error", (error) => this.#failAll(error.message));
    socket.once("close", () => this.#failAll("etcd closed the connection"));
  }

  async put(key: number): Promise<void> {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const message = putRequest(keyName(key), value);
    this.#sendWindow -= message.length;
    // It is far from full with the calls that a generator has under way.
    if (this.#sendWindow < 0) throw new IDunnoError("INTERNAL", { message: "etcd reads no more" });
    return new Promise((resolve, reject) => {
      this.#calls.set(stream, { answered: false, resolve, reject });
      this.#send(frame.headers, flag.endHeaders, stream, this.#headers);
      this.#send(frame.data, flag.endStream, stream, message);
    });
  }

  /** What one turn sends leaves in one write. */
  #send(type: number, flags: number, stream: number, payload: Buffer): void {
    const head = Buffer.alloc(frameHeaderBytes);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    if (this.#outgoing.length === 0)
      queueMicrotask(() => {
        this.#socket.write(Buffer.concat(this.#outgoing));
        this.#outgoing = [];
      });
    this.#outgoing.push(head, payload);
  }

  #receive(bytes: Buffer): void {
    let rest = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (rest.length >= frameHeaderBytes) {
      const end = frameHeaderBytes + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      const [type, flags] = [rest.readUInt8(3), rest.readUInt8(4)];
      this.#onFrame(type, flags, rest.readUInt32BE(5), rest.subarray(frameHeaderBytes, end));
      rest = rest.subarray(end);
    }
    this.#received = rest;
  }

  #onFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case frame.data: {
        this.#giveBack(payload.length);
        const call = this.#calls.get(stream);
        if (call !== undefined) call.answered = true;
        if ((flags & flag.endStream) !== 0) this.#end(stream);
        break;
      }
      case frame.headers:
        if ((flags & flag.endStream) !== 0) this.#end(stream);
        break;
      case frame.reset:
        this.#end(stream);
        break;
      case frame.settings:
        if ((flags & flag.ack) === 0) this.#send(frame.settings, flag.ack, 0, Buffer.alloc(0));
        break;
      case frame.ping:
        if ((flags & flag.ack) === 0) this.#send(frame.ping, flag.ack, 0, Buffer.from(payload));
        break;
      case frame.windowUpdate:
        if (stream === 0) this.#sendWindow += payload.readUInt32BE(0);
        break;
      case frame.goAway:
        this.#failAll("etcd says that it goes away");
        break;
    }
  }

  #giveBack(bytes: number): void {
    this.#toGiveBack += bytes;
    if (this.#toGiveBack < giveBackBytes) return;
    const room = Buffer.alloc(4);
    room.writeUInt32BE(this.#toGiveBack);
    this.#send(frame.windowUpdate, 0, 0, room);
    this.#toGiveBack = 0;
  }

  #end(stream: number): void {
    const call = this.#calls.get(stream);
    this.#calls.delete(stream);
    if (call?.answered === true) call.resolve();
    else call?.reject(new IDunnoError("INTERNAL", { message: "etcd refused a put" }));
  }

  #failAll(message: string): void {
    for (const { reject } of this.#calls.values()) reject(new IDunnoError("INTERNAL", { message }));
    this.#calls.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }
}

/** Header fields without reference to any table but the static one (RFC 7541 §6.2.2), so that each call's are alike. */
function requestHeaders(authority: string): Buffer {
  const text = (each: string): Buffer => Buffer.from([each.length, ...Buffer.from(each)]);
  return Buffer.concat([
    // :method POST, :scheme http
    Buffer.from([0x83, 0x86]),
    Buffer.from([0x04]),
    text("/etcdserverpb.KV/Put"),
    Buffer.from([0x01]),
    text(authority),
    // content-type is entry 31: 15 and 16 more.
    Buffer.from([0x0f, 0x10]),
    text("application/grpc"),
    Buffer.from([0x00]),
    text("te"),
    text("trailers"),
  ]);
}

/** gRPC's prefix (not compressed, length) and `PutRequest{key = 1, value = 2}` in Protocol Buffers. */
export function putRequest(key: string, content: string): Buffer {
  const message = Buffer.concat([field(1, key), field(2, content)]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** A length-delimited field; lengths here have at most 14 bits. */
function field(number: number, content: string): Buffer {
  const bytes = Buffer.from(content);
  const length =
    bytes.length < 0x80 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}
