/**
 * Who votes, and how that changes (§6; dissertation §4.3): plain configurations change by one voter at a time, any
 * larger change passes through a joint configuration, in which both the incoming and the outgoing half must agree.
 *
 * Invariants
 *  C1 a configuration has at least one voter.
 *  C2 a node is in at most one of voters and learners; a voter of the outgoing half that is to stay as a learner waits
 *     in learnersNext until the joint configuration is left.
 *  C3 two configurations that follow each other in the log have overlapping quorums: a simple change alters one voter
 *     at most, and a joint one needs both halves.
 */
import { pack, unpack } from "../lib/msgpack.ts";
import type { NodeId } from "../lib/types.ts";
import type { Configuration } from "./types.ts";

export type ConfigurationChange =
  | { readonly kind: "addVoter"; readonly node: NodeId }
  | { readonly kind: "addLearner"; readonly node: NodeId }
  | { readonly kind: "remove"; readonly node: NodeId };

/** A configuration outside a change. */
export function simpleConfiguration(
  voters: readonly NodeId[],
  learners: readonly NodeId[] = [],
): Configuration {
  return {
    voters: [...voters].sort(),
    outgoing: [],
    learners: [...learners].sort(),
    learnersNext: [],
    autoLeave: false,
  };
}

export function isJoint({ outgoing }: Configuration): boolean {
  return outgoing.length > 0;
}

export type Changed =
  | { readonly kind: "changed"; readonly configuration: Configuration }
  | { readonly kind: "refused"; readonly why: string };

interface Draft {
  readonly voters: Set<NodeId>;
  readonly outgoing: ReadonlySet<NodeId>;
  readonly learners: Set<NodeId>;
  readonly learnersNext: Set<NodeId>;
}

function draft({ voters, outgoing, learners, learnersNext }: Configuration): Draft {
  return {
    voters: new Set(voters),
    outgoing: new Set(outgoing),
    learners: new Set(learners),
    learnersNext: new Set(learnersNext),
  };
}

function finish({ voters, outgoing, learners, learnersNext }: Draft, autoLeave: boolean): Changed {
  if (voters.size === 0) return { kind: "refused", why: "a configuration needs a voter (C1)" };
  return {
    kind: "changed",
    configuration: {
      voters: [...voters].sort(),
      outgoing: [...outgoing].sort(),
      learners: [...learners].sort(),
      learnersNext: [...learnersNext].sort(),
      autoLeave,
    },
  };
}

function carryOut(made: Draft, changes: readonly ConfigurationChange[]): void {
  for (const { kind, node } of changes) {
    made.learners.delete(node);
    made.learnersNext.delete(node);
    if (kind === "addVoter") {
      made.voters.add(node);
      continue;
    }
    made.voters.delete(node);
    if (kind === "remove") continue;
    // C2: who still votes in the outgoing half becomes a learner when that is left.
    if (made.outgoing.has(node)) made.learnersNext.add(node);
    else made.learners.add(node);
  }
}

/** A change of one voter at most, and of any number of learners. */
export function simpleChange(
  from: Configuration,
  changes: readonly ConfigurationChange[],
): Changed {
  if (isJoint(from)) return { kind: "refused", why: "a joint configuration must be left first" };
  const made = draft(from);
  carryOut(made, changes);
  const differing = [
    ...from.voters.filter((node) => !made.voters.has(node)),
    ...[...made.voters].filter((node) => !from.voters.includes(node)),
  ];
  if (differing.length > 1)
    return {
      kind: "refused",
      why: "more than one voter changes without a joint configuration (C3)",
    };
  return finish(made, false);
}

/** Any change: the voters so far become the outgoing half. */
export function enterJoint(
  from: Configuration,
  changes: readonly ConfigurationChange[],
  autoLeave: boolean,
): Changed {
  if (isJoint(from)) return { kind: "refused", why: "the configuration is joint already" };
  if (from.voters.length === 0)
    return { kind: "refused", why: "a configuration without voters cannot become joint" };
  const made = { ...draft(from), outgoing: new Set(from.voters) };
  carryOut(made, changes);
  return finish(made, autoLeave);
}

/** The incoming half alone; waiting learners become learners. */
export function leaveJoint(from: Configuration): Changed {
  if (!isJoint(from)) return { kind: "refused", why: "the configuration is not joint" };
  const made = draft(from);
  for (const node of made.learnersNext) made.learners.add(node);
  return finish({ ...made, outgoing: new Set(), learnersNext: new Set() }, false);
}

/** A configuration as the data of a log entry, a snapshot or a log's base. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, outgoing, learners, learnersNext, autoLeave } = configuration;
  return pack([voters, outgoing, learners, learnersNext, autoLeave]);
}

/**
 * @throws IDunnoError MALFORMED when the bytes are not MessagePack; AssertionFailure never
 * @returns undefined when they are no configuration, or one that breaks C1 or C2
 */
export function decodeConfiguration(bytes: Uint8Array): Configuration | undefined {
  const value = unpack(bytes, "configuration");
  if (!Array.isArray(value) || value.length !== 5) return undefined;
  const [voters, outgoing, learners, learnersNext, autoLeave] = value as readonly unknown[];
  if (!isNames(voters) || !isNames(outgoing) || !isNames(learners) || !isNames(learnersNext))
    return undefined;
  if (typeof autoLeave !== "boolean") return undefined;
  const configuration = { voters, outgoing, learners, learnersNext, autoLeave };
  return isSound(configuration) ? configuration : undefined;
}

/** C1 and C2. */
function isSound({ voters, outgoing, learners, learnersNext }: Configuration): boolean {
  return (
    voters.length > 0 &&
    learners.every((node) => !voters.includes(node) && !outgoing.includes(node)) &&
    learnersNext.every((node) => !voters.includes(node) && outgoing.includes(node))
  );
}

/** Ascending, and so each once: a voter named twice would count twice. */
function isNames(value: unknown): value is readonly NodeId[] {
  if (!Array.isArray(value)) return false;
  let before = "";
  return value.every((name) => {
    const follows = typeof name === "string" && name > before;
    if (follows) before = name;
    return follows;
  });
}
