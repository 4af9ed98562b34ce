/**
 * Raft messages as MessagePack arrays: `[kind, term, …]`, entries as `[term, kind, data]` (their indexes follow from
 * the first). What arrives is checked here, once; behind this file it is trusted.
 */
import { IDunnoError } from "../lib/errors.ts";
import { assertNever, LogIndex, type NodeId, Term } from "../lib/types.ts";
import { decodeConfiguration } from "../raft/configuration.ts";
import type { Append, AppendReply, Entry, Message } from "../raft/types.ts";

const kinds = [
  "preVote",
  "preVoteReply",
  "vote",
  "voteReply",
  "append",
  "appendReply",
  "heartbeat",
  "heartbeatReply",
  "snapshotOffer",
  "timeoutNow",
] as const satisfies readonly Message["kind"][];
const entryKinds = ["noop", "command", "configuration"] as const satisfies readonly Entry["kind"][];

export function encodeMessage(message: Message): unknown[] {
  const head = [kinds.indexOf(message.kind), message.term];
  switch (message.kind) {
    case "preVote":
      return [...head, message.lastIndex, message.lastTerm];
    case "vote":
      return [...head, message.lastIndex, message.lastTerm, message.handover];
    case "preVoteReply":
    case "voteReply":
      return [...head, message.granted];
    case "append":
      return [
        ...head,
        message.prevIndex,
        message.prevTerm,
        message.leaderCommit,
        message.healIndex ?? 0,
        message.entries.map(({ term, kind, data }) => [term, entryKinds.indexOf(kind), data]),
      ];
    case "appendReply": {
      const { result } = message;
      return result.kind === "matched"
        ? [...head, message.damaged, result.matchIndex]
        : [...head, message.damaged, result.prevIndex, result.hintIndex, result.hintTerm];
    }
    case "heartbeat":
      return [
        ...head,
        message.commit,
        message.readPosition,
        message.sentAt,
        message.healIndex ?? 0,
      ];
    case "heartbeatReply":
      return [...head, message.readPosition, message.sentAt, message.damaged];
    case "snapshotOffer":
      return [...head, message.index, message.healIndex ?? 0];
    case "timeoutNow":
      return head;
    default:
      return assertNever(message, "message");
  }
}

/** @throws IDunnoError MALFORMED */
export function decodeMessage(from: NodeId, to: NodeId, value: unknown): Message {
  const fields = new Fields(value);
  const kind = kinds[fields.count(0)];
  const term = Term(fields.count(1));
  switch (kind) {
    case "preVote":
      return { from, to, term, kind, lastIndex: lastIndexOf(fields), lastTerm: lastTermOf(fields) };
    case "vote":
      return {
        from,
        to,
        term,
        kind,
        lastIndex: lastIndexOf(fields),
        lastTerm: lastTermOf(fields),
        handover: fields.flag(4),
      };
    case "preVoteReply":
    case "voteReply":
      return { from, to, term, kind, granted: fields.flag(2) };
    case "append":
      return decodeAppend({ from, to, term, kind }, fields);
    case "appendReply":
      return { from, to, term, kind, damaged: fields.flag(2), result: decodeResult(fields) };
    case "heartbeat":
      return {
        from,
        to,
        term,
        kind,
        commit: LogIndex(fields.count(2)),
        readPosition: fields.count(3),
        sentAt: fields.count(4),
        healIndex: optionalIndex(fields.count(5)),
      };
    case "heartbeatReply":
      return {
        from,
        to,
        term,
        kind,
        readPosition: fields.count(2),
        sentAt: fields.count(3),
        damaged: fields.flag(4),
      };
    case "snapshotOffer":
      return {
        from,
        to,
        term,
        kind,
        index: LogIndex(fields.count(2)),
        healIndex: optionalIndex(fields.count(3)),
      };
    case "timeoutNow":
      return { from, to, term, kind };
    case undefined:
      throw malformed("0", "a known message kind");
    default:
      return assertNever(kind, "message kind");
  }
}

function decodeAppend(head: Pick<Append, "from" | "to" | "term" | "kind">, fields: Fields): Append {
  const prevIndex = fields.count(2);
  return {
    ...head,
    prevIndex: LogIndex(prevIndex),
    prevTerm: Term(fields.count(3)),
    leaderCommit: LogIndex(fields.count(4)),
    healIndex: optionalIndex(fields.count(5)),
    entries: fields.list(6).map((entry, i) => decodeEntry(entry, prevIndex + 1 + i)),
  };
}

function lastIndexOf(fields: Fields): LogIndex {
  return LogIndex(fields.count(2));
}

function lastTermOf(fields: Fields): Term {
  return Term(fields.count(3));
}

function decodeResult(fields: Fields): AppendReply["result"] {
  if (fields.length === 4) return { kind: "matched", matchIndex: LogIndex(fields.count(3)) };
  return {
    kind: "conflict",
    prevIndex: LogIndex(fields.count(3)),
    hintIndex: LogIndex(fields.count(4)),
    hintTerm: Term(fields.count(5)),
  };
}

function decodeEntry(value: unknown, index: number): Entry {
  const fields = new Fields(value);
  const kind = entryKinds[fields.count(1)];
  const data = fields.at(2);
  if (kind === undefined) throw malformed("entry", "a known entry kind");
  if (!(data instanceof Uint8Array)) throw malformed("entry", "bytes");
  if (kind === "configuration" && decodeConfiguration(data) === undefined)
    throw malformed("entry", "a configuration");
  return { index: LogIndex(index), term: Term(fields.count(0)), kind, data };
}

function optionalIndex(value: number): LogIndex | undefined {
  return value === 0 ? undefined : LogIndex(value);
}

/** The fields of an array of unknown content, each taken as what it must be. */
class Fields {
  readonly #values: readonly unknown[];

  constructor(value: unknown) {
    if (!Array.isArray(value)) throw malformed("", "an array");
    this.#values = value;
  }

  get length(): number {
    return this.#values.length;
  }

  at(i: number): unknown {
    return this.#values[i];
  }

  count(i: number): number {
    const value = this.#values[i];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      throw malformed(String(i), "a count");
    return value;
  }

  flag(i: number): boolean {
    const value = this.#values[i];
    if (typeof value !== "boolean") throw malformed(String(i), "true or false");
    return value;
  }

  list(i: number): readonly unknown[] {
    const value = this.#values[i];
    if (!Array.isArray(value)) throw malformed(String(i), "an array");
    return value;
  }
}

function malformed(path: string, expected: string): IDunnoError {
  return new IDunnoError("MALFORMED", { path: `raft message/${path}`, expected });
}
