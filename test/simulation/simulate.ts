/**
 * One run: a cluster is founded and filled, then its users work and things break, then all but a standing fault is
 * mended and it must come to rest. Throws with what went wrong and how to see it again.
 */
import type { ModelManifest } from "../../src/lib/model-manifest.ts";
import { Random } from "../../src/lib/random.ts";
import { FileVersion } from "../../src/lib/types.ts";
import { manifest } from "../machine/fixtures.ts";
import { Clients } from "./clients.ts";
import { inputsFolder, modelNames } from "./job-requests.ts";
import { checkHistories } from "./checks/histories.ts";
import { classes } from "./inference/oracle.ts";
import type { PreemptionCounts } from "./checks/preemption.ts";
import { Nemesis } from "./nemesis/nemesis.ts";
import { calmNetwork } from "./network/faults.ts";
import { makePlan, type Plan } from "./plan.ts";
import { settle } from "./settle.ts";
import { World } from "./world.ts";

/** Virtual ms in which a healthy cluster must be ready for work. */
const foundingMs = 20_000;

/** What a run came to. */
export interface Report {
  readonly seed: number;
  readonly virtualMs: number;
  readonly events: number;
  readonly nodes: number;
  readonly messages: number;
  readonly committed: number;
  readonly elections: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly requests: { readonly done: number; readonly refused: number; readonly unknown: number };
  /** Virtual ms from each loss of a leader to the next commit. */
  readonly failovers: readonly number[];
  readonly jobsDone: number;
  readonly fairHandOuts: number;
  readonly largestGap: number;
  /** Queries of jobs on probation that were handed out beside others. */
  readonly probationHandOuts: number;
  readonly preemptions: PreemptionCounts;
  /** Results that waited for others on their way out of an executor. */
  readonly answersWaited: number;
  /** Queries that two nodes worked on at a time, and jobs that retried others. */
  readonly speculations: number;
  readonly retries: number;
  readonly traceHash: number;
}

/** Why a run failed. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly world: World;
  readonly plan: Plan;

  constructor(plan: Plan, world: World, cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause);
    super(`seed ${plan.seed}, at ${Math.round(world.time.now)} ms: ${what}`, { cause });
    this.plan = plan;
    this.world = world;
  }
}

export async function simulate(seed: number): Promise<Report> {
  return simulatePlan(makePlan(seed));
}

/** The same with more happening in less time: many seeds for little. */
export async function simulateDense(seed: number): Promise<Report> {
  return simulatePlan(makePlan(seed, "dense"));
}

/**
 * @param options records: messages are kept for a diagram, which costs time. Default: they are not
 * @throws Violation
 */
export async function simulatePlan(
  plan: Plan,
  { records = false }: { readonly records?: boolean } = {},
): Promise<Report> {
  const world = new World(plan);
  if (records) world.recordMessages();
  // Stack traces of errors that are a matter of course cost time; whoever wants a diagram wants them, too.
  const { stackTraceLimit } = Error;
  if (!records) Error.stackTraceLimit = 0;
  const clients = new Clients(world);
  const nemesis = new Nemesis(world, clients);
  try {
    await found(world, clients);
    await stir(world, clients, nemesis);
    await settle(world, clients, nemesis);
    checkHistories(clients);
  } catch (error) {
    world.trace.add({
      kind: "violation",
      at: world.time.now,
      text: error instanceof Error ? error.message : String(error),
    });
    throw new Violation(plan, world, error);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    // Nothing of it runs on: the promises of dead processes never settle.
    for (const { process } of world.machines.values()) process?.kill();
  }
  return {
    seed: plan.seed,
    virtualMs: world.time.now,
    events: world.time.events,
    nodes: plan.founders,
    messages: world.network.counts.messages + world.network.counts.requests,
    committed: world.consensus.checks.truth.length,
    elections: world.consensus.checks.leaders.size,
    faults: nemesis.done,
    requests: clients.counts,
    failovers: world.failovers.times,
    jobsDone: world.product.finished.length,
    fairHandOuts: world.product.fairTime.judged,
    largestGap: world.product.fairTime.largestGap,
    probationHandOuts: world.product.fairTime.probationShare.judged,
    preemptions: preemptionsOf(world),
    answersWaited: [...world.machines.values()].reduce(
      (sum, { answers }) => sum + answers.waited,
      0,
    ),
    speculations: world.product.speculation.times,
    retries: world.product.retries.size,
    traceHash: (world.trace.hash ^ world.time.hash) >>> 0,
  };
}

function preemptionsOf({ machines }: World): PreemptionCounts {
  const sum = (of: keyof PreemptionCounts): number =>
    [...machines.values()].reduce((total, { preemptions }) => total + preemptions[of], 0);
  return {
    newcomers: sum("newcomers"),
    yields: sum("yields"),
    stands: sum("stands"),
    lost: sum("lost"),
  };
}

/** The founders start, files and models are put there. */
async function found(world: World, clients: Clients): Promise<void> {
  const { time, product, plan } = world;
  for (const id of world.founders) world.start(id);
  const isReady = (): boolean => product.machine.members.size === plan.founders;
  if (!(await time.until(isReady, foundingMs)))
    throw new Error("the founders do not come together");
  const random = new Random(plan.seed);
  let isFilled = false;
  const filling = fill(clients, random, plan).then(() => (isFilled = true));
  filling.catch((error: unknown) => time.fail(error));
  if (!(await time.until(() => isFilled, foundingMs)))
    throw new Error("the store cannot be filled");
}

async function fill(clients: Clients, random: Random, { inputs, undeleteS }: Plan): Promise<void> {
  await clients.operate(random, async ({ coordination }, key, signal) =>
    coordination.decide(
      { kind: "set-setting", name: "sdfs-undelete-s", value: String(undeleteS) },
      { key, signal },
    ),
  );
  for (let i = 0; i < inputs; i += 1)
    await mustStore(clients, `${inputsFolder}${i}.jpg`, `picture ${i % 20}`, random);
  for (const name of modelNames) {
    await mustStore(clients, `models/${name}.onnx`, `weights of ${name}`, random);
    const file = { path: `models/${name}.onnx`, version: FileVersion(1) };
    await clients.operate(random, async ({ coordination }, key, signal) =>
      coordination.decide({ kind: "add-model", manifest: manifestOf(name), file }, { key, signal }),
    );
  }
}

/** The first digit of the hash says what an input costs (plan.ts). */
function manifestOf(name: string): ModelManifest {
  const sha256 = (name === "small" ? "a" : "b").padEnd(64, "0");
  const output = { ...manifest.output, classes, activation: "none" } as const;
  return { ...manifest, name, sha256, output, topK: 1 };
}

async function mustStore(
  clients: Clients,
  path: string,
  content: string,
  random: Random,
): Promise<void> {
  if (!(await clients.store(path, content, random))) throw new Error(`${path} cannot be stored`);
}

async function stir(world: World, clients: Clients, nemesis: Nemesis): Promise<void> {
  const { time, network, plan } = world;
  network.faults = plan.network;
  for (const step of plan.steps)
    time.after(step.at, () => {
      if (step.kind === "fault") nemesis.begin(step);
      else clients.begin(step);
    });
  await time.run(plan.stirMs);
  network.faults = { ...calmNetwork, manner: plan.network.manner };
}
