/**
 * The member list, the same on every node. A node says who it is; the leader's detector says who is down. Losing a node,
 * or its starting anew, frees what it worked on in the same command that says so.
 */
import { type Outcome, done, refuse } from "../lib/outcome.ts";
import type { Rows, Stamp } from "../lib/rows.ts";
import type { LogTime } from "../lib/types.ts";
import { releaseAttempts } from "../scheduler/rows.ts";
import { stores } from "../sdfs/catalog/rows.ts";
import { recentlyDownMs, replicationFactor } from "../sdfs/catalog/types.ts";
import type { MarkMember, MemberRecord, RegisterMember, RemoveMember } from "./commands.ts";
import { members, takesMore } from "./tables.ts";

/** Members: "a few hundred machines", and every member is in every node's memory and status. */
export const membersLimit = 1_024;
/** Inference threads of a node: twice the hardware threads of the largest servers. */
const slotsLimit = 1_024;
/** Labels of a node. */
const labelsLimit = 64;

/** Takes a node in, or takes note of what it says anew. Idempotent. */
export function registerMember(rows: Rows, command: RegisterMember, { now }: Stamp): Outcome {
  const { kind: _, ...said } = command;
  const known = members.get(rows, said.node);
  const wrong = checkRegistration(rows, command, known);
  if (wrong !== undefined) return wrong;
  // Another boot has forgotten what the last one worked on.
  if (known !== undefined && known.boot !== said.boot) releaseAttempts(rows, said.node);
  if (known !== undefined && known.store !== said.store) retireStore(rows, known);
  const store = stores.get(rows, said.store);
  stores.put(rows, said.store, {
    ...store,
    id: said.store,
    node: said.node,
    state: "active",
  });
  const since = known?.state === "up" ? known.since : now;
  const record: MemberRecord = {
    node: said.node,
    incarnation: said.incarnation,
    boot: said.boot,
    store: said.store,
    peerAddress: said.peerAddress,
    httpAddress: said.httpAddress,
    slots: said.slots,
    labels: said.labels,
    state: "up",
    since,
  };
  // Starting anew does not undo that it was asked to leave; under another directory it is another node.
  const isSame = known?.incarnation === said.incarnation && known.leaving === true;
  members.put(rows, said.node, isSame ? { ...record, leaving: true } : record);
  return done;
}

function checkRegistration(
  rows: Rows,
  command: RegisterMember,
  known: MemberRecord | undefined,
): Outcome | undefined {
  const { node, slots, labels } = command;
  if (slots > slotsLimit)
    return refuse("TOO_LARGE", { what: "the number of slots", size: slots, limit: slotsLimit });
  if (labels.length > labelsLimit)
    return refuse("TOO_LARGE", {
      what: "the list of labels",
      size: labels.length,
      limit: labelsLimit,
    });
  if (known === undefined && members.list(rows).length >= membersLimit)
    return refuse("BUSY", { what: "the member list", limit: membersLimit });
  if (known?.state === "left" && known.incarnation === command.incarnation)
    return refuse("CONFLICT", {
      what: `node ${node}`,
      why: "it was removed from the cluster; start it in an empty --data-dir with --join",
    });
  if (known !== undefined && known.incarnation !== command.incarnation && known.state === "up")
    return refuse("CONFLICT", {
      what: `node ${node}`,
      why: "another node of that name is up; choose another --name",
    });
  const holder = stores.get(rows, command.store)?.node;
  if (holder === undefined || holder === node) return undefined;
  const other = members.list(rows).find(([id]) => id === holder)?.[1];
  return other?.store === command.store && other.state === "up"
    ? refuse("CONFLICT", {
        what: `store ${command.store}`,
        why: `node ${holder} has it; two nodes must not share a data directory`,
      })
    : undefined;
}

/** The node has another chunk folder now: what the old one held is gone, if it did not move to another node. */
function retireStore(rows: Rows, { node, store }: MemberRecord): void {
  const old = stores.get(rows, store);
  if (old?.node === node) stores.put(rows, store, { ...old, state: "lost" });
}

/** Down frees the node's work; up makes it eligible again. What is said of another boot than the recorded one is old news. */
export function markMember(rows: Rows, command: MarkMember, { now }: Stamp): Outcome {
  const member = members.get(rows, command.node);
  if (member === undefined)
    return refuse("NOT_FOUND", {
      kind: "member",
      name: command.node,
      remedy: "'idunno members' lists them",
    });
  if (member.boot !== command.boot || member.state === command.state) return done;
  // Only who was asked to leave has left, and who has left is neither up nor down.
  if (member.state === "left" || (command.state === "left" && member.leaving !== true)) return done;
  members.put(rows, command.node, { ...member, state: command.state, since: now });
  if (command.state !== "up") releaseAttempts(rows, command.node);
  if (command.state === "left") retireStore(rows, member);
  return done;
}

/** Asks a node to leave. Somebody has to stay. */
export function removeMember(rows: Rows, { node }: RemoveMember): Outcome {
  const member = members.get(rows, node);
  if (member === undefined || member.state === "left")
    return refuse("NOT_FOUND", {
      kind: "member",
      name: node,
      remedy: "'idunno members' lists them",
    });
  if (member.leaving === true) return done;
  const staying = members.list(rows).filter(([id, each]) => id !== node && takesMore(each));
  if (staying.length === 0)
    return refuse("CONFLICT", {
      what: `node ${node}`,
      why: "no other node is up to take over what it holds",
    });
  members.put(rows, node, { ...member, leaving: true });
  return done;
}

/** Copies a put must have now: a node just gone may be back before its copy is missed, so it counts for a while. */
export function requiredCopies(rows: Rows, now: LogTime): number {
  return copiesRequired(
    members.list(rows).map(([, each]) => each),
    now,
  );
}

/** The same of these members. */
export function copiesRequired(all: Iterable<MemberRecord>, now: LogTime): number {
  let counted = 0;
  for (const each of all) if (takesMore(each) || isRecentlyDown(each, now)) counted += 1;
  return Math.max(1, Math.min(replicationFactor, counted));
}

function isRecentlyDown({ state, leaving, since }: MemberRecord, now: LogTime): boolean {
  return state === "down" && leaving !== true && now - since < recentlyDownMs;
}
