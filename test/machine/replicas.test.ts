/**
 * Random histories on two replicas, one of which restarts whenever it likes. They must not differ in anything, and
 * every numbered invariant must hold after every command.
 */
import { deepStrictEqual } from "node:assert/strict";
import test from "ava";
import fc from "fast-check";
import { toHex } from "../../src/lib/hex.ts";
import { FileVersion, type JobId, LogTime, QueryNumber, StoreId } from "../../src/lib/types.ts";
import { decodeCommand, encodeCommand } from "../../src/machine/codec.ts";
import type { Operation } from "../../src/machine/commands.ts";
import type { JobRecord } from "../../src/scheduler/types.ts";
import type { FileRecord } from "../../src/sdfs/catalog/types.ts";
import { planAssignments } from "../../src/scheduler/policy.ts";
import { hasEnded } from "../../src/scheduler/rows.ts";
import { holds } from "../lib/property.ts";
import {
  type Replica,
  chunk,
  cluster,
  completion,
  hashOf,
  manifest,
  nodeName,
  register,
  submission,
  upload,
  work,
} from "./fixtures.ts";
import { amountUnder, checkInvariants } from "./invariants.ts";

/** One step of a history: what to do, and four numbers to do it with. */
type Step = readonly [kind: number, a: number, b: number, c: number, d: number];

const pick = <T>(items: readonly T[], n: number): T | undefined => items[n % items.length];

/** Subsets of nodes 1 to 4 by bits, so that most uploads have enough copies. */
const subset = (bits: number) => [1, 2, 3, 4].filter((n) => (bits >> n) % 2 === 0 || bits % 3 > 0);

function jobsOf(replica: Replica): JobId[] {
  return [...replica.machine.jobs.keys()];
}

function someWork(replica: Replica, [, a, b, c, d]: Step): Operation {
  const { machine } = replica;
  const ids = jobsOf(replica);
  const open = ids.flatMap((id) => [...machine.openQueries(id)]);
  const completed = open
    .filter((_, i) => (a >> (i % 8)) % 2 === 1)
    .map((query, i) => {
      const outputs = Array.from({ length: b % 11 === 0 ? 1 : query.count }, (_, j) =>
        (b + i + j) % 7 === 0 ? "unreadable" : [(c + j) % 5, d],
      );
      const { attempt, node } = query.attempts[0] ?? { attempt: 1, node: nodeName(1) };
      const done = {
        ...completion(query.job, query.query, outputs, { attempt, elapsedMs: d }),
        node,
      };
      if ((c + i) % 5 !== 0) return done;
      return {
        ...done,
        outputs: [],
        failed: d % 2 === 0 ? ("killed" as const) : ("hung" as const),
      };
    });
  const planned = planAssignments({
    jobs: machine.jobs.values(),
    openQueries: (job) => machine.openQueries(job),
    nodes: [...machine.members.values()].filter((m) => m.state === "up"),
    now: machine.logTime,
    predictedMs: (_, __, inputs) => (c % 2 === 0 ? inputs * 30 : undefined),
  });
  const id = pick(ids, c);
  const odd =
    id === undefined || d % 2 === 0
      ? []
      : [
          {
            job: id,
            node: nodeName(1 + (b % 5)),
            boot: `boot${1 + (b % 5)}`,
            query: d % 3 === 0 ? QueryNumber(a % 8) : undefined,
          },
        ];
  const late = id === undefined ? [] : [completion(id, b % 8, [[1, 1]])];
  return work([...completed, ...late], [...odd, ...planned.slice(0, c % 9)]);
}

function jobOperation(replica: Replica, [kind, a, b, c, d]: Step): Operation | undefined {
  const isReady = ({ status, cursor, totalInputs, openQueries }: JobRecord) =>
    status.kind === "running" && cursor === totalInputs && openQueries === 0;
  const ready = [...replica.machine.jobs.values()].filter(isReady).map(({ id }) => id);
  const ended = [...replica.machine.jobs.values()].filter((job) => hasEnded(job.status));
  const fitting = kind % 5 === 3 ? ready : kind % 5 === 4 ? ended.map(({ id }) => id) : [];
  const job = pick(fitting.length > 0 ? fitting : jobsOf(replica), a);
  if (job === undefined) return undefined;
  switch (kind % 5) {
    case 0:
      return {
        kind: "set-job",
        job,
        batchSize: b % 9,
        weight: c % 3 === 0 ? undefined : c % 4,
        priority: d % 3 === 0 ? undefined : (d % 25) - 12,
      };
    case 1:
    case 2:
      return {
        kind: "steer-job",
        job,
        to: pick(["running", "paused", "running", "cancelled"], b) ?? "paused",
      };
    case 3: {
      const [results] = upload(`jobs/${job}/results`, [chunk(20 + (b % 3), subset(c))]).files;
      return results && { kind: "finish-job", job, results };
    }
    default:
      return { kind: "prune-results", job };
  }
}

function memberOperation([kind, a, b, c]: Step): Operation {
  const n = 1 + (a % 4);
  const state = b % 2 === 0 ? "down" : "up";
  if (kind % 2 === 0) return { kind: "mark-member", node: nodeName(n), boot: `boot${n}`, state };
  if (c % 5 > 0) return register(n);
  const again = { boot: `boot${n}-${b % 2}`, store: StoreId(`store${n}${b % 3 === 0 ? "" : "x"}`) };
  return register(n, b % 7 === 0 ? { ...again, incarnation: "other" } : again);
}

function fileOperation(replica: Replica, [kind, a, b, c, d]: Step): Operation {
  const path = pick(["x", "y", "inputs"], a) ?? "x";
  const chunks = [10 + (b % 4), 10 + (c % 4)].slice(d % 3 === 0 ? 1 : 0);
  const store = StoreId(`store${1 + (a % 4)}`);
  const hashes = chunks.map(hashOf);
  switch (kind % 12) {
    case 10:
      return {
        kind: "set-quota",
        prefix: pick(["", "jobs/", "models/"], a) ?? "",
        bytes: b % 3 === 0 ? undefined : 5 * c,
        files: d % 3 === 0 ? undefined : 1 + (d % 9),
      };
    case 11:
      return countQuota(replica, b);
    case 9: {
      const to = ["x", "y", "z", "inputs"];
      const names = (from: number) => pick(to, from) ?? "z";
      const moves = [
        { from: path, to: names(b) },
        { from: names(c), to: names(c + d) },
      ];
      return { kind: "move-files", moves: moves.slice(d % 2) };
    }
    case 0:
      return d % 3 === 0
        ? { kind: "remove-file", path, purge: true }
        : { kind: "remove-file", path };
    case 1:
      return {
        kind: pick(["lose-chunks", "release-chunks"] as const, d) ?? "lose-chunks",
        store,
        chunks: hashes,
      };
    case 3:
      return { kind: "restore-file", path: pick(removedFiles(replica), a) ?? path };
    case 4:
      return {
        kind: "collect-versions",
        ids: rowsOf(replica, "removed")
          .map((key) => key.slice("removed/".length))
          .slice(0, 1 + (b % 5)),
      };
    case 5:
      return {
        kind: "collect-chunks",
        chunks: rowsOf(replica, "garbage").map((key) => key.slice("garbage/".length)),
      };
    case 6: {
      if (c % 4 > 0) return { kind: "drop-chunks", store, chunks: hashes };
      const dropped = rowsOf(replica, "dropped").map((key) => key.split("/"));
      const drops = dropped.map(([, of = "", hash = ""]) => ({ store: StoreId(of), hash }));
      return { kind: "forget-drops", floor: Math.max(0, replica.index - b), drops };
    }
    case 2: {
      const placed = chunks.map((n) => ({ hash: hashOf(n), index: replica.index }));
      return { kind: "place-chunks", store, chunks: placed };
    }
    default: {
      const list = chunks.map((n) => chunk(n, subset(d), replica.index));
      return upload(path, list, c % 6 === 0 ? b % 4 : undefined);
    }
  }
}

function rowsOf(replica: Replica, table: string): string[] {
  return [...replica.rows.keys()].filter((key) => key.startsWith(`${table}/`)).toSorted();
}

/** Files that may be restored. */
function removedFiles(replica: Replica): string[] {
  const rows = Array.from(replica.table("file"), ([, row]) => row as FileRecord);
  return rows.filter(({ removal }) => removal !== undefined).map(({ path }) => path);
}

/** What a leader would have counted, of a quota that may be counted already; now and then of one that is gone. */
function countQuota(replica: Replica, n: number): Operation {
  const quota = pick([...replica.machine.quotas.values()], n);
  if (quota === undefined) return { kind: "count-quota", prefix: "", made: 1, bytes: 1, files: 1 };
  const { prefix, made, delta, base } = quota;
  const { bytes, files } = amountUnder(replica, prefix);
  const counted = { bytes: bytes - delta.bytes, files: files - delta.files };
  if (base !== undefined) deepStrictEqual(base, counted, "Q1 whenever it is counted");
  return { kind: "count-quota", prefix, made: n % 5 === 0 ? made - 1 : made, ...counted };
}

/** What a step does to a cluster in this state: mostly something that makes sense. */
function operationOf(replica: Replica, step: Step): Operation {
  const [kind, a, b, c, d] = step;
  const rest: Step = [kind >> 3, a, b, c, d];
  switch (kind % 8) {
    case 0:
      return memberOperation(rest);
    case 1:
    case 2:
      return fileOperation(replica, rest);
    case 3:
      return submission({
        totalInputs: a % 30,
        batchSize: 1 + (b % 5),
        weight: 1 + (c % 3),
        priority: c % 5 === 0 ? (d % 23) - 11 : undefined,
        maxErrors: d % 2 === 0 ? undefined : d % 6,
      });
    case 4:
      if (a % 4 > 0) return jobOperation(replica, rest) ?? submission();
      if (b % 3 > 0) return modelOperation(rest);
      return {
        kind: "add-model",
        manifest: { ...manifest, topK: 1 + (b % 3) },
        file: { path: "models/tiny.onnx", version: FileVersion(1 + (c % 2)) },
      };
    default:
      return someWork(replica, step);
  }
}

/** On what `add-model` made. */
function modelOperation([, , , c, d]: Step): Operation {
  const version = d % 4 === 0 ? undefined : d % 4;
  const alias = `other${d % 3}`;
  if (c % 4 === 0) return { kind: "preload-model", name: "tiny", version, wanted: d % 2 === 0 };
  if (c % 3 === 0) return { kind: "remove-model", name: "tiny", version };
  const model = c % 5 === 0 ? undefined : c % 5 === 1 ? "other0" : "tiny";
  return { kind: "set-alias", alias: c % 7 === 0 ? "tiny" : alias, model, version };
}

const n = fc.nat(255);
const history = fc.array(fc.tuple(fc.nat(1_023), n, n, n, n), { maxLength: 70, size: "max" });

/** Both replicas go through the history; `kinds` learns what succeeded and what was refused. */
function agreement(kinds: Set<string>): fc.IProperty<[Step[]]> {
  return fc.property(history, (steps) => {
    const steady = cluster(4);
    let restless = steady.restarted();
    for (const step of steps) {
      const [kind, a, , , d] = step;
      if (d % 5 === 0) restless = restless.restarted();
      const operation = operationOf(steady, step);
      const at = LogTime(steady.at + (kind % 700));
      steady.at = at;
      const key = a % 4 === 0 ? `${at - (d % 3)}-000000000000000${d % 2}` : undefined;
      const bytes = encodeCommand({ v: 1, at, key, operation });
      const applied = steady.applyCommand(decodeCommand(bytes));
      deepStrictEqual(restless.applyCommand(decodeCommand(bytes)), applied);
      deepStrictEqual(applied.failure, undefined);
      kinds.add(`${operation.kind} ${applied.outcome.kind}`);
      checkInvariants(steady);
    }
    const bytesOf = ({ rows }: Replica) => new Map(Array.from(rows, ([k, v]) => [k, toHex(v)]));
    deepStrictEqual(bytesOf(restless), bytesOf(steady));
    const reloaded = steady.restarted().machine;
    for (const view of ["members", "models", "olderModels", "aliases", "stores", "jobs"] as const)
      deepStrictEqual(reloaded[view], steady.machine[view]);
  });
}

test("replicas agree whatever happens and whoever restarts, and every invariant holds (M1, M3)", (t) => {
  holds(t, agreement(new Set()), 25);
});

test("and histories get somewhere: each kind of command succeeds in some (fixed seed)", (t) => {
  const kinds = new Set<string>();
  t.false(fc.check(agreement(kinds), { seed: 1, numRuns: 60 }).failed);
  const wanted = ["work", "finish-job", "commit-files", "steer-job", "prune-results", "set-job"];
  const collecting = ["collect-versions", "collect-chunks", "drop-chunks", "forget-drops"];
  wanted.push(
    ...collecting,
    "set-alias",
    "remove-model",
    "preload-model",
    "release-chunks",
    "restore-file",
    "move-files",
    "set-quota",
    "count-quota",
  );
  for (const kind of [...wanted, "remove-file", "place-chunks", "lose-chunks", "add-model"])
    t.true(kinds.has(`${kind} ok`), `${kind} never succeeded`);
});
