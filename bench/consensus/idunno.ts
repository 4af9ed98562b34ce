/** The two ways to put a value into IDunno: over the peer protocol, as nodes forward commands to the leader, and over HTTP. */
import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { IDunnoError } from "../../src/lib/errors.ts";
import { LogTime, NodeId } from "../../src/lib/types.ts";
import { encodeCommand } from "../../src/machine/codec.ts";
import { Connection } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { greet } from "../../src/net/handshake.ts";
import { defaultLimits } from "../../src/net/limits.ts";
import { parseOutcome } from "../../src/node/control.ts";
import { keyName, type Putter, type Target, value } from "./putter.ts";

/** A put that takes longer has failed: far above any commit, below an election that hangs. */
const putMs = 10_000;

type PeerTarget = Extract<Target, { kind: "idunno-peer" }>;

/**
 * One control lane to the leader. A node keeps one lane for each peer, so every connection is a peer of its own: one that
 * comes to forward commands, and is no member.
 */
export async function connectPeer({
  host,
  port,
  leader,
  cluster,
  generation,
}: PeerTarget): Promise<Putter> {
  const id = randomBytes(6).toString("hex");
  const self = { cluster, generation, node: NodeId(`bench-${id}`), incarnation: id, boot: id };
  const mine = greet({ ...self, damaged: false }, NodeId(leader), "control");
  const dialled = await dial({ host, port }, mine, {
    timeoutMs: defaultLimits.handshakeTimeoutMs,
    signal: new AbortController().signal,
  });
  if (dialled.kind !== "up") throw dialled.error;
  const { requestQueueBytes: queueBytes, closeGraceMs } = defaultLimits;
  const options = { name: `the lane to ${leader}`, queueBytes, served: 1, closeGraceMs };
  const connection = new Connection(dialled.framed, options, {});
  return {
    put: async (key) => {
      const operation = { kind: "set-setting", name: keyName(key), value } as const;
      const body = encodeCommand({ v: 1, at: LogTime(0), key: undefined, operation });
      const reply = await connection.request({ kind: "propose" }, body, { timeoutMs: putMs });
      const outcome = parseOutcome(reply.head);
      if (outcome.kind !== "ok")
        throw new IDunnoError("INTERNAL", { message: `a put was refused: ${outcome.code}` });
    },
    [Symbol.asyncDispose]: async () => connection.close(),
  };
}

/** HTTP carries one request at a time on a connection, so there are as many as there are clients. */
export function connectHttp({ host, port }: Extract<Target, { kind: "idunno-http" }>): Putter {
  const agent = new Agent({ keepAlive: true });
  const body = JSON.stringify({ value });
  const headers = { "content-type": "application/json", "content-length": body.length };
  return {
    put: async (key) =>
      new Promise((resolve, reject) => {
        const path = `/v1/settings/${keyName(key)}`;
        const asked = request({ agent, host, port, path, method: "PUT", headers }, (answer) => {
          answer.resume();
          answer.once("error", reject);
          answer.once("end", () => {
            if (answer.statusCode === 200) resolve();
            else
              reject(new IDunnoError("INTERNAL", { message: `HTTP ${String(answer.statusCode)}` }));
          });
        });
        asked.once("error", reject);
        asked.end(body);
      }),
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      return Promise.resolve();
    },
  };
}
