/**
 * What happens in a run, drawn from its seed before it begins: how the cluster is made, what clients ask, what breaks.
 * Each step has a seed of its own for what it decides when its time has come, so that a run with some steps left out is
 * still the same run otherwise. That is what makes failures short (report/shrink.ts).
 */
import type { CollectionTimes } from "../../src/node/collector.ts";
import { Random } from "../../src/lib/random.ts";
import { type RaftTimings, defaultLimits, defaultTimings } from "../../src/raft/types.ts";
import type { MachineKnobs } from "./machine.ts";
import { calmNetwork, type NetworkFaults } from "./network/faults.ts";

/** What may break, in weights. Each seed draws which of them are on. */
export const happenings = [
  ["kill", 12],
  ["powerLoss", 6],
  ["blackout", 2],
  ["pause", 8],
  ["isolate", 6],
  ["oneWay", 4],
  ["split", 5],
  ["bridge", 4],
  ["swizzle", 4],
  ["reset", 6],
  ["slowDisk", 5],
  ["fullDisk", 4],
  ["failSync", 4],
  ["corruptLog", 4],
  ["corruptState", 4],
  ["corruptMark", 3],
  ["damageChunk", 6],
  ["wipeChunks", 3],
  ["wipeMachine", 2],
  ["jumpClock", 4],
  ["badExecutor", 6],
  ["transfer", 5],
  ["voters", 3],
  ["join", 4],
  ["remove", 4],
] as const;

export type Happening = (typeof happenings)[number][0];

/** What clients ask for, in weights. */
export const operations = [
  ["set", 30],
  ["get", 30],
  ["put", 12],
  ["remove", 6],
  ["read", 14],
  ["submit", 6],
  ["retryJob", 3],
  ["setJob", 3],
  ["pauseJob", 2],
  ["resumeJob", 3],
  ["cancelJob", 1],
] as const;

export type OperationKind = (typeof operations)[number][0];

export type Step = {
  /** Virtual ms since the cluster was ready. */
  readonly at: number;
  readonly seed: number;
} & (
  | { readonly kind: "fault"; readonly what: Happening; readonly ms: number }
  | { readonly kind: "operation"; readonly what: OperationKind; readonly client: number }
);

export interface Plan {
  readonly seed: number;
  readonly founders: number;
  /** Machines that join later, if at all. */
  readonly spares: number;
  readonly clients: number;
  /** For how long removed files can be restored, in seconds of log time. */
  readonly undeleteS: number;
  readonly knobs: MachineKnobs;
  readonly network: NetworkFaults;
  /** Files that jobs run over. */
  readonly inputs: number;
  readonly diskMs: number;
  /** Clocks run up to this much fast, in thousandths. */
  readonly driftPerMille: number;
  /** How long things may break, ms. */
  readonly stirMs: number;
  /** What stays broken when the rest is healed: a quorum can talk, others cannot, or nothing. */
  readonly standing: "nothing" | "partial" | "minority";
  readonly steps: readonly Step[];
}

/** How much slower a model may be than the other one. */
const costs = [10, 25, 100] as const;

/** How much happens in a virtual minute. */
export type Density = "lifelike" | "dense";

const paces = {
  /**
   * Most of a cluster's life is quiet, and quiet time is cheap to simulate; what waits for minutes, such as the
   * replacement of a voter, has them.
   */
  lifelike: {
    stirMs: [120_000, 300_000, 600_000],
    /** Between two faults, ms: from one at a time to several at once. */
    faultMs: [3_000, 12_000, 40_000, 120_000],
    /** Between two requests of all clients together, ms. */
    requestMs: [100, 4_000, 15_000, 40_000],
  },
  /** As many bugs as can be had for a second of the processor. */
  dense: {
    stirMs: [10_000, 20_000, 30_000],
    faultMs: [400, 1_000, 3_000],
    requestMs: [30, 150, 600],
  },
} as const;

/** @param density default: lifelike */
export function makePlan(seed: number, density: Density = "lifelike"): Plan {
  const pace = paces[density];
  const random = new Random(seed);
  // Streams of their own: a draw more in one does not shift the others.
  const [world, faults, work] = [random.fork(), random.fork(), random.fork()];
  const collecting = random.fork();
  const founders = world.pick([3, 3, 4, 5, 5, 5, 7]) ?? 5;
  const spares = world.pick([0, 0, 1, 2]) ?? 0;
  const clients = world.between(2, 5);
  const stirMs = world.pick(pace.stirMs) ?? 60_000;
  return {
    seed,
    founders,
    spares,
    clients,
    knobs: { ...knobsOf(world), collection: collectionOf(collecting) },
    network: networkOf(world),
    undeleteS: collecting.pick([0, 5, 60]) ?? 0,
    inputs: world.pick([12, 24, 24, 80]) ?? 24,
    diskMs: world.pick([1, 1, 3, 10]) ?? 1,
    driftPerMille: world.pick([0, 0, 5, 80]) ?? 0,
    stirMs,
    standing: world.pick(["nothing", "nothing", "partial", "minority"] as const) ?? "nothing",
    steps: [
      ...faultsOf(faults, { stirMs, spares, paceMs: faults.pick(pace.faultMs) ?? 1_000 }),
      ...operationsOf(work, { stirMs, clients, pacesMs: pace.requestMs }),
    ].toSorted((a, b) => a.at - b.at),
  };
}

/** A day in half a minute, at most: what nobody needs is to be gone before a run ends. */
function collectionOf(random: Random): CollectionTimes {
  return {
    sweepMs: random.pick([500, 2_000, 5_000]) ?? 2_000,
    garbageMs: random.pick([0, 1_000, 10_000]) ?? 0,
    dropMs: random.pick([1_000, 20_000]) ?? 20_000,
    orphanMs: random.pick([1_000, 10_000, 30_000]) ?? 10_000,
    inventoryMs: random.pick([5_000, 20_000]) ?? 20_000,
    steadyMs: random.pick([2_000, 20_000]) ?? 20_000,
  };
}

function knobsOf(random: Random): Omit<MachineKnobs, "collection"> {
  // Every number of the core is a multiple of it; slower ones make more virtual time of the same work.
  const heartbeatMs = random.pick([100, 200, 200, 400]) ?? 100;
  const timings: RaftTimings = {
    ...defaultTimings,
    heartbeatMs,
    electionMinMs: 6 * heartbeatMs,
    electionMaxMs: 9 * heartbeatMs,
    leaseReads: random.chance(1, 4),
  };
  const keepEntries = random.pick([5, 40, 200, 50_000]) ?? 200;
  const slow = random.pick(costs) ?? 25;
  return {
    timings,
    limits: random.chance(1, 2)
      ? defaultLimits
      : { ...defaultLimits, appendBytes: 2_000, inflightMessages: 4, windowBytes: 4_000 },
    compaction: {
      keepEntries,
      keepBytes: 64 * 1024 * 1024,
      slackEntries: random.pick([5, 20, 100]) ?? 20,
      slackBytes: 16 * 1024 * 1024,
      pauseMs: random.pick([50, 1_000]) ?? 1_000,
    },
    slots: random.between(1, 3),
    voters: random.pick([undefined, undefined, 3, 5]),
    costMs: (sha256) => (sha256.startsWith("a") ? 5 : 5 * slow),
  };
}

function networkOf(random: Random): NetworkFaults {
  const most = random.pick([1, 3, 20, 60]) ?? 3;
  const isHarsh = random.chance(1, 2);
  return {
    ...calmNetwork,
    delayMs: [0.1, most],
    strayMs: random.pick([0, 10, 100]) ?? 0,
    manner: isHarsh ? "datagrams" : "stream",
    loss: random.pick([0, 10, 50, 150]) ?? 0,
    duplication: random.pick([0, 20, 100]) ?? 0,
    lateMs: random.pick([20, 500, 5_000]) ?? 20,
    lostReplies: random.pick([0, 5, 30]) ?? 0,
    doubledRequests: random.pick([0, 5, 30]) ?? 0,
  };
}

function faultsOf(
  random: Random,
  {
    stirMs,
    spares,
    paceMs,
  }: { readonly stirMs: number; readonly spares: number; readonly paceMs: number },
): Step[] {
  const on = happenings.filter(
    ([kind]) => random.chance(1, 2) && (spares > 0 || (kind !== "join" && kind !== "remove")),
  );
  const steps: Step[] = [];
  if (on.length === 0) return steps;
  for (let at = random.between(0, paceMs); at < stirMs; at += random.between(1, 2 * paceMs)) {
    const what = weighted(random, on);
    const ms = random.chance(1, 6) ? random.between(5_000, 20_000) : random.between(50, 3_000);
    steps.push({ kind: "fault", at, seed: random.next(), what, ms });
  }
  return steps;
}

function operationsOf(
  random: Random,
  {
    stirMs,
    clients,
    pacesMs,
  }: {
    readonly stirMs: number;
    readonly clients: number;
    readonly pacesMs: readonly number[];
  },
): Step[] {
  const steps: Step[] = [];
  let paceMs = random.pick(pacesMs) ?? 250;
  // Jobs from the start, and a second one soon after.
  for (const at of [0, random.between(0, 5_000)])
    steps.push({ kind: "operation", at, seed: random.next(), what: "submit", client: 0 });
  for (let at = 0; at < stirMs; at += random.between(1, 2 * paceMs)) {
    // Quiet and busy stretches.
    if (random.chance(1, 15)) paceMs = random.pick(pacesMs) ?? paceMs;
    const client = random.between(0, clients - 1);
    const what = weighted(random, operations);
    steps.push({ kind: "operation", at, seed: random.next(), what, client });
  }
  return steps;
}

function weighted<T>(random: Random, choices: readonly (readonly [T, number])[]): T {
  let left = random.between(
    1,
    choices.reduce((sum, [, weight]) => sum + weight, 0),
  );
  for (const [choice, weight] of choices) {
    left -= weight;
    if (left <= 0) return choice;
  }
  throw new Error("there is something to choose from");
}
