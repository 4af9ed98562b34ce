/** How entries, configurations, messages and nodes are printed in scenarios: short, and equal in every run. */
import { decodeConfiguration } from "../../../src/raft/configuration.ts";
import { assertNever } from "../../../src/lib/types.ts";
import type {
  Configuration,
  Entry,
  HardState,
  LogBase,
  Message,
  PersistWrite,
  RoleView,
} from "../../../src/raft/types.ts";

/** More entries than this are shown as the first and the last. */
const entriesShown = 8;

/** `{n1 n2 & n1 n2 n3 learners n4 later n3 auto}`: both halves of a joint configuration, then the rest. */
export function renderConfiguration(configuration: Configuration): string {
  const { voters, outgoing, learners, learnersNext, autoLeave } = configuration;
  const parts = [voters.join(" ")];
  if (outgoing.length > 0) parts.push("&", ...outgoing);
  if (learners.length > 0) parts.push("learners", ...learners);
  if (learnersNext.length > 0) parts.push("later", ...learnersNext);
  if (autoLeave) parts.push("auto");
  return `{${parts.join(" ").trim()}}`;
}

/** index/term, as everywhere below. */
export function renderEntry({ index, term, kind, data }: Entry): string {
  return `${index}/${term}:${renderData(kind, data)}`;
}

function renderData(kind: Entry["kind"], data: Uint8Array): string {
  if (kind === "noop") return "noop";
  if (kind === "command") return new TextDecoder().decode(data);
  const configuration = decodeConfiguration(data);
  return configuration === undefined ? "?" : renderConfiguration(configuration);
}

export function renderEntries(entries: readonly Entry[]): string {
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return "[]";
  if (entries.length > entriesShown)
    return `[${renderEntry(first)} .. ${renderEntry(last)}, ${entries.length} entries]`;
  return `[${entries.map(renderEntry).join(" ")}]`;
}

export function renderAt({ index, term }: LogBase): string {
  return `${index}/${term}`;
}

export function renderHardState({ term, vote }: HardState): string {
  return `term=${term} vote=${vote ?? "-"}`;
}

export function renderWrite({ hardState, install, truncateFrom, entries }: PersistWrite): string {
  const parts: string[] = [];
  if (hardState !== undefined) parts.push(renderHardState(hardState));
  if (install !== undefined)
    parts.push(`snapshot ${renderAt(install)} ${renderConfiguration(install.configuration)}`);
  if (truncateFrom !== undefined) parts.push(`drop ${truncateFrom}..`);
  if (entries.length > 0) parts.push(renderEntries(entries));
  return parts.join(" ");
}

export function renderRole({ kind, term, leader }: RoleView): string {
  return kind === "follower" ? `follower of ${leader ?? "nobody"}, t${term}` : `${kind}, t${term}`;
}

/** Without sender and receiver: `append t1 prev=1/1 [2/1:a] commit=1`. */
export function renderMessage(message: Message): string {
  const details = renderDetails(message);
  return `${message.kind} t${message.term}${details === "" ? "" : ` ${details}`}`;
}

function renderDetails(message: Message): string {
  switch (message.kind) {
    case "preVote":
      return `last=${message.lastIndex}/${message.lastTerm}`;
    case "vote":
      return `last=${message.lastIndex}/${message.lastTerm}${message.handover ? " handover" : ""}`;
    case "preVoteReply":
    case "voteReply":
      return message.granted ? "granted" : "refused";
    case "append": {
      const { prevIndex, prevTerm, entries, leaderCommit } = message;
      const prev = `prev=${prevIndex}/${prevTerm}`;
      return `${prev} ${renderEntries(entries)} commit=${leaderCommit}${healing(message.healIndex)}`;
    }
    case "appendReply": {
      const { result, damaged } = message;
      const text =
        result.kind === "matched"
          ? `match=${result.matchIndex}`
          : `conflict at ${result.prevIndex}, hint ${result.hintIndex}/${result.hintTerm}`;
      return `${text}${damaged ? " damaged" : ""}`;
    }
    case "heartbeat": {
      const read = message.readPosition > 0 ? ` read=${message.readPosition}` : "";
      return `commit=${message.commit}${read}${healing(message.healIndex)}`;
    }
    case "heartbeatReply": {
      const read = message.readPosition > 0 ? `read=${message.readPosition}` : "";
      return `${read}${message.damaged ? " damaged" : ""}`.trim();
    }
    case "snapshotOffer":
      return `index=${message.index}${healing(message.healIndex)}`;
    case "timeoutNow":
      return "";
    default:
      return assertNever(message, "message");
  }
}

function healing(healIndex: number | undefined): string {
  return healIndex === undefined ? "" : ` heal=${healIndex}`;
}
