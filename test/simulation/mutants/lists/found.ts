/** Bugs that simulation found in our own code, put back: they must not return unseen (docs/simulation.md). */
import { type Mutant } from "../mutant.ts";

export const foundMutants: readonly Mutant[] = [
  {
    name: "leader-stays-down",
    bug: "a leader that the one before took for dead never marks itself up, and gets no work",
    file: "src/node/members.ts",
    find: 'if (member.node === self.node) return member.boot === self.boot ? "up" : undefined;',
    replace: "if (member.node === self.node) return undefined;",
    world: "cluster",
  },
  {
    name: "heir-leaves-too",
    bug: "a leader that leaves hands over to another that leaves, who hands back, for ever",
    file: "src/node/voters.ts",
    find: "if (node === self || !takesMore(member) || peer === undefined || peer.damaged) continue;",
    replace: "if (node === self || peer === undefined || peer.damaged) continue;",
    world: "cluster",
  },
  {
    name: "waiting-job-holds-newcomers-back",
    bug: "P7: a job that only waits for its last results keeps the running minimum down",
    file: "src/scheduler/rows.ts",
    find: "if (cursor >= (jobs.get(rows, id)?.totalInputs ?? 0)) continue;",
    replace: "if (cursor < 0 || jobs.get(rows, id) === undefined) continue;",
    world: "cluster",
  },
  {
    name: "lost-store-still-counts",
    bug: "copies on a store that was lost for good count for ever: who loses another has too few",
    file: "src/node/repairer.ts",
    find: 'if (state === "lost" && !this.#writtenOff.has(id)) await this.#writeOff(id);',
    replace: 'if (state === "lost" && !this.#writtenOff.has(id)) continue;',
    world: "cluster",
    seenBy: "U3: copies counted on the disks",
  },
  {
    name: "mark-is-trusted-as-read",
    bug: "a mark whose sync had failed is read from the page cache and never written again",
    file: "src/node/stores/open-stores.ts",
    find: "if (damage.length === 0) await logStore.remark();",
    replace: "if (damage.length === 0 && mark.last === undefined) await logStore.remark();",
    world: "cluster",
  },
  {
    name: "unlisted-caller-unanswered",
    bug: "who lost all that it knew cannot answer a leader that came after the founders, and is never refilled",
    file: "src/node/peer-list.ts",
    find: "for (const [node, { address }] of callers) addresses.set(node, address);",
    replace:
      "for (const [node, { address }] of callers) if (addresses.has(node)) addresses.set(node, address);",
    world: "cluster",
  },
  {
    name: "joiner-takes-members-for-founders",
    bug: "who joins and fetches a snapshot takes those he was told of for its voters",
    file: "src/node/services.ts",
    find: "founders: firstVoters(identity.identity),",
    replace:
      "founders: firstVoters({ ...identity.identity, founders: [...identity.identity.founders, ...(identity.identity.seeds ?? [])] }),",
    world: "cluster",
  },
  {
    name: "newcomer-held-ahead",
    bug: "a newcomer waits behind a slot's query though the spare thread is idle",
    file: "src/inference/slots.ts",
    find: "this.#assignUpTo(depth, !hasSpare)",
    replace: "this.#assignUpTo(depth, true)",
    world: "cluster",
    seenBy: "Y5",
  },
  {
    name: "called-back-piece-is-forgotten",
    bug: "I1: a query that is cancelled while its last pieces end has the outputs of some of its inputs",
    file: "src/inference/shared-query.ts",
    find: "if (this.#endedInputs === this.request.inputs.length && this.isWhollyCut)",
    replace: "if (this.isWhollyCut && this.#placed.size === 0)",
    world: "cluster",
    seenBy: "I1",
  },
];
