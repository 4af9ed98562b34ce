/** What happened, as text: a hash of all of it, to compare two runs of a seed, and its last lines, to read. */
import { LogIndex } from "../../../src/lib/types.ts";
import type { Configuration, Message } from "../../../src/raft/types.ts";

/** Lines kept for the message of a failure. */
const tailLines = 400;

export class Trace {
  #hash = 0x811c9dc5;
  #lines: string[] = [];

  add(now: number, line: string): void {
    const text = `${now} ${line}`;
    let hash = this.#hash;
    // FNV-1a, 32 bits.
    for (let i = 0; i < text.length; i += 1)
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    this.#hash = hash;
    this.#lines.push(text);
    if (this.#lines.length > 2 * tailLines) this.#lines = this.#lines.slice(-tailLines);
  }

  get hash(): number {
    return this.#hash;
  }

  tail(lines = 40): string {
    return this.#lines.slice(-lines).join("\n");
  }
}

export function messageText(message: Message): string {
  const head = `${message.from}>${message.to} ${message.kind} t${message.term}`;
  switch (message.kind) {
    case "append": {
      const { prevIndex, prevTerm, entries, leaderCommit } = message;
      const last = entries.at(-1)?.index ?? LogIndex(0);
      const carried = entries.length === 0 ? "" : ` to ${last}`;
      return `${head} after ${prevIndex}/${prevTerm}${carried} commit ${leaderCommit}`;
    }
    case "appendReply":
      return message.result.kind === "matched"
        ? `${head} matched ${message.result.matchIndex}${message.damaged ? " damaged" : ""}`
        : `${head} conflict at ${message.result.prevIndex} hint ${message.result.hintIndex}/${message.result.hintTerm}${message.damaged ? " damaged" : ""}`;
    case "heartbeat":
      return `${head} commit ${message.commit} read ${message.readPosition} sent ${message.sentAt}`;
    case "heartbeatReply":
      return `${head} read ${message.readPosition} sent ${message.sentAt}`;
    case "preVoteReply":
    case "voteReply":
      return `${head} ${message.granted ? "granted" : "refused"}`;
    case "preVote":
    case "vote":
      return `${head} last ${message.lastIndex}/${message.lastTerm}`;
    case "snapshotOffer":
      return `${head} from ${message.index}`;
    default:
      return head;
  }
}

export function configurationText(configuration: Configuration): string {
  const { voters, outgoing, learners, learnersNext, autoLeave } = configuration;
  return [
    `voters ${voters.join(" ")}`,
    outgoing.length > 0 ? `outgoing ${outgoing.join(" ")}` : "",
    learners.length > 0 ? `learners ${learners.join(" ")}` : "",
    learnersNext.length > 0 ? `next ${learnersNext.join(" ")}` : "",
    autoLeave ? "auto" : "",
  ]
    .filter((part) => part !== "")
    .join("; ");
}
