/**
 * The end of a run. Under a standing fault that leaves a quorum able to talk, the cluster must go on; when all is mended,
 * it must come to rest: one leader, everybody at the same state, jobs ended, every chunk in its copies, every request
 * answered, and every acknowledged version there.
 */
import { Random } from "../../src/lib/random.ts";
import type { NodeId } from "../../src/lib/types.ts";
import { isJoint } from "../../src/raft/configuration.ts";
import { takesMore } from "../../src/machine/tables.ts";
import { candidateOf } from "../../src/node/stores-of.ts";
import type { Raft } from "../../src/raft/core.ts";
import { hasEnded } from "../../src/scheduler/rows.ts";
import { place } from "../../src/sdfs/catalog/placement.ts";
import { type ChunkRecord, replicationFactor } from "../../src/sdfs/catalog/types.ts";
import { emptyStatistics } from "../../src/scheduler/statistics.ts";
import { queryTimeoutMs } from "../../src/scheduler/timeouts.ts";
import type { Clients } from "./clients.ts";
import { batchSizes } from "./job-requests.ts";
import type { Nemesis } from "./nemesis/nemesis.ts";
import type { World } from "./world.ts";

/** Virtual ms in which something must be committed again while a fault stands: detection and a few elections. */
const progressMs = 30_000;
/**
 * Virtual ms to come to rest: restarts, snapshots, repair after a node was down, jobs that had been held up; and an input of
 * the largest query in which a network hangs, of which nothing is known yet, so that each time-out is the longest.
 */
const restMs = 180_000 + hangMs(Math.max(...batchSizes));
/** How often it is asked whether consensus has settled, ms. */
const askMs = 20;
/** How often it is asked whether there is rest, ms: looking at every row costs more than many events. */
const askRestMs = 500;
/** Members that have not changed for so long, ms, do not change by themselves: the leader looks four times a second. */
const stableMs = 2_000;
const stableTries = 5;
/** And it stays so for this long. */
const calmMs = 2_000;

/** What the product takes to find the input in which a query hangs: one time-out for each halving, and two nodes' for itself. */
function hangMs(inputs: number): number {
  const timeoutMs = queryTimeoutMs(
    { statistics: emptyStatistics, doneInputs: 0, errorInputs: 0 },
    inputs,
  );
  return inputs === 1 ? 2 * timeoutMs : timeoutMs + hangMs(Math.ceil(inputs / 2));
}

export async function settle(world: World, clients: Clients, nemesis: Nemesis): Promise<void> {
  const { time } = world;
  nemesis.mend();
  if (world.plan.standing !== "nothing") await stand(world);
  world.network.heal();
  for (const { process } of world.machines.values()) process?.resume();
  await time.until(() => clients.underWay === 0, restMs, askMs);
  resumeJobs(world, clients);
  const isAtRest = (): boolean => clients.underWay === 0 && unrest(world) === undefined;
  for (let tries = 0; ; tries += 1) {
    if (!(await time.until(isAtRest, restMs, askRestMs)))
      throw new Error(`no rest: ${unrest(world) ?? `${clients.underWay} requests under way`}`);
    await time.run(calmMs);
    if (isAtRest()) break;
    if (tries > 5) throw new Error(`no lasting rest: ${unrest(world) ?? "requests"}`);
  }
  world.product.checkRows();
  await readBack(world, clients);
}

/** Paused jobs would wait for ever. */
function resumeJobs(world: World, clients: Clients): void {
  const random = new Random(world.plan.seed ^ 0x7e57);
  for (const { id, status } of world.product.machine.jobs.values())
    if (status.kind === "paused")
      clients
        .operate(random, async ({ coordination }, key, signal) =>
          coordination.decide({ kind: "steer-job", job: id, to: "running" }, { key, signal }),
        )
        .catch((error: unknown) => world.time.fail(error));
}

/** A quorum and its links are whole; between all others links are cut at random, or they stand still. */
async function stand(world: World): Promise<void> {
  const { time, network, plan, product } = world;
  const leader = await stableLeader(world);
  if (leader === undefined) return;
  const random = new Random(plan.seed ^ 0x57a4d);
  const { voters } = leader.configuration;
  const keys = new Map(voters.map((id) => [id, random.next()]));
  const order = voters.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
  const core = new Set<NodeId>(order.slice(0, Math.floor(voters.length / 2) + 1));
  for (const a of world.ids)
    for (const b of world.ids)
      if (a !== b && !(core.has(a) && core.has(b)) && random.chance(1, 2)) network.cut(a, b);
  if (plan.standing === "minority")
    for (const id of world.ids) if (!core.has(id)) world.machine(id).process?.pause();
  world.trace.add({ kind: "fault", at: time.now, text: `stands: ${plan.standing}` });
  const committed = (): boolean => product.machine.settings.has("x-standing");
  // Of anybody: who is cut off from the leader cannot pass a request on, and a client goes to the next node.
  const ask = (): void => {
    const id = random.pick(world.ids);
    if (id === undefined || committed()) return;
    const operation = { kind: "set-setting", name: "x-standing", value: id } as const;
    world
      .ask(
        id,
        async ({ coordination }, signal) =>
          coordination.decide(operation, { key: undefined, signal }),
        5_000,
      )
      // Whether anything is decided is asked below.
      .catch(() => undefined);
    time.after(500, ask);
  };
  ask();
  if (!(await time.until(committed, progressMs)))
    throw new Error(`no progress under a standing fault (${plan.standing})`);
}

/**
 * Whoever was away comes back first, and members have stopped changing: a fault that stays is to meet a cluster of which a
 * quorum is well, and a change that is under way may need just the one who is cut off then.
 */
async function stableLeader(world: World): Promise<Raft | undefined> {
  for (let tries = 0; tries < stableTries; tries += 1) {
    await world.time.until(() => unsettled(world) === undefined, restMs, askMs);
    const before = world.leader?.running?.raft;
    const index = before?.configurationAsOf(before.lastIndex).index;
    await world.time.run(stableMs);
    const leader = world.leader?.running?.raft;
    if (leader === undefined || leader !== before || unsettled(world) !== undefined) continue;
    if (leader.configurationAsOf(leader.lastIndex).index === index) return leader;
  }
  return undefined;
}

/** What consensus still lacks. */
function unsettled(world: World): string | undefined {
  const leader = world.leader?.running?.raft;
  if (leader?.isReadyLeader !== true) return "nobody leads";
  // Until then it is a voter that does not answer.
  if (world.wiped.size > 0) return `${[...world.wiped].join(" ")} is to be replaced`;
  if (!leader.isConfigurationCommitted || isJoint(leader.configuration)) return "members change";
  for (const { id, running } of world.inside) {
    if (running === undefined) return `${id} is not up`;
    const { raft, stores } = running;
    if (raft.isDamaged) return `${id} is damaged`;
    if (raft.role.term !== leader.role.term) return `${id} is of term ${raft.role.term}`;
    if (raft.lastIndex !== leader.lastIndex) return `${id} has the log up to ${raft.lastIndex}`;
    if (stores.state.appliedIndex !== leader.lastIndex)
      return `${id} has applied ${stores.state.appliedIndex} of ${leader.lastIndex}`;
  }
  return undefined;
}

function unrest(world: World): string | undefined {
  const consensus = unsettled(world);
  if (consensus !== undefined) return consensus;
  const { machine } = world.product;
  for (const { node, state, leaving } of machine.members.values()) {
    if (state === "down") return `member ${node} is down`;
    if (state === "up" && leaving === true) return `${node} is leaving`;
  }
  for (const { id, status, doneInputs, totalInputs } of machine.jobs.values())
    if (!hasEnded(status)) return `${id} is ${status.kind}, ${doneInputs} of ${totalInputs} done`;
  return lackingCopies(world) ?? tooManyCopies(world) ?? uncollected(world) ?? misplaced(world);
}

/** U3: each chunk lies on as many disks as there can be, counted there. Rot that nobody has read is not known yet. */
function lackingCopies(world: World): string | undefined {
  const { machine, rows } = world.product;
  const up = world.inside.filter(({ id }) => machine.members.get(id)?.state === "up");
  const wanted = Math.min(replicationFactor, up.length);
  for (const [key, value] of rows) {
    if (!key.startsWith("chunk/")) continue;
    const { hash, references, stores } = value as ChunkRecord;
    if (references === 0) continue;
    const copies = up.filter(
      ({ chunks }) => stores.includes(chunks.id) && chunks.durable.has(hash),
    );
    if (copies.length < wanted)
      return `U3: chunk ${hash} lies on ${copies.length} disks, ${wanted} could have it`;
  }
  return undefined;
}

/** U5: what repair made beyond the wanted copies goes when who was away is back. */
function tooManyCopies(world: World): string | undefined {
  const { machine, rows } = world.product;
  const counted = new Set(
    [...machine.members.values()].filter(takesMore).map(({ store }) => store),
  );
  for (const [key, value] of rows) {
    if (!key.startsWith("chunk/")) continue;
    const { hash, stores } = value as ChunkRecord;
    const copies = stores.filter((store) => counted.has(store)).length;
    if (copies > replicationFactor) return `U5: chunk ${hash} has ${copies} copies`;
  }
  return undefined;
}

/** U6: copies move to where placement wants them: onto who joined, off a disk that was full. */
function misplaced(world: World): string | undefined {
  const { machine, rows } = world.product;
  const candidates = [...machine.members.values()]
    .filter(takesMore)
    .map((member) => candidateOf(machine, member));
  for (const [key, value] of rows) {
    if (!key.startsWith("chunk/")) continue;
    const { hash, references, stores } = value as ChunkRecord;
    if (references === 0 || stores.length < replicationFactor) continue;
    const wanted = place(hash, candidates, replicationFactor);
    if (wanted.some((store) => !stores.includes(store)))
      return `U6: chunk ${hash} lies on ${stores.join()}, it belongs on ${wanted.join()}`;
  }
  return undefined;
}

/** U4: what nobody needs goes: no chunk is nobody's for good, and no disk holds one that the catalog does not count on. */
function uncollected(world: World): string | undefined {
  const { machine, rows } = world.product;
  for (const key of rows.keys()) if (key.startsWith("garbage/")) return `U4: ${key} stays`;
  for (const { id, chunks } of world.inside) {
    if (machine.members.get(id)?.state !== "up") continue;
    for (const hash of chunks.durable.keys())
      if (!rows.has(`held/${chunks.id}/${hash}`)) return `U4: the disk of ${id} keeps ${hash}`;
  }
  return undefined;
}

/** U1. */
async function readBack(world: World, clients: Clients): Promise<void> {
  let isRead = false;
  clients
    .readAll(new Random(world.plan.seed))
    .then(() => (isRead = true))
    .catch((error: unknown) => world.time.fail(error));
  if (!(await world.time.until(() => isRead, restMs)))
    throw new Error("U1: acknowledged versions cannot be read back");
}
