/** The numbered invariants of work.ts (S), commit.ts (C), quotas.ts (Q) and machine.ts (M), checked against the rows of a replica. */
import { deepStrictEqual, ok } from "node:assert/strict";
import type { Pin } from "../../src/lib/content.ts";
import type { JobId } from "../../src/lib/types.ts";
import type { AliasRecord, MemberRecord, ModelRecord } from "../../src/machine/commands.ts";
import type { JobFixed, JobProgress, QueryRecord, ResultRow } from "../../src/scheduler/types.ts";
import type {
  Amount,
  ChunkRecord,
  FileRecord,
  QuotaRecord,
  RemovedRecord,
  StoreRecord,
  VersionRecord,
} from "../../src/sdfs/catalog/types.ts";
import { usedOf } from "../../src/sdfs/catalog/quotas.ts";
import { replicationFactor, versionsKept } from "../../src/sdfs/catalog/types.ts";

/** The rows of a replica, whoever holds them. */
export interface ReplicaRows {
  row(key: string): unknown;
  table(name: string): Iterable<readonly [key: string, row: unknown]>;
}

/** @param history.versionsKept the most that the setting `sdfs-versions` ever was */
export function checkInvariants(
  replica: ReplicaRows,
  history: { readonly versionsKept: number } = { versionsKept },
): void {
  const members = rowsOf<MemberRecord>(replica, "member");
  for (const [, job] of rowsOf<JobFixed>(replica, "job")) {
    checkJob(replica, job, members);
    checkPins(replica, job);
  }
  checkModels(replica);
  checkChunks(replica);
  checkFiles(replica, history.versionsKept);
  for (const [, quota] of rowsOf<QuotaRecord>(replica, "quota")) checkQuota(replica, quota);
  const active = rowsOf<StoreRecord>(replica, "store").filter(([, s]) => s.state === "active");
  for (const [, member] of members)
    ok(member.state !== "up" || active.some(([, s]) => s.id === member.store), "M store active");
}

function rowsOf<Row>(replica: ReplicaRows, table: string): (readonly [string, Row])[] {
  return [...replica.table(table)] as (readonly [string, Row])[];
}

function checkJob(
  replica: ReplicaRows,
  fixed: JobFixed,
  members: readonly (readonly [string, MemberRecord])[],
): void {
  const { id, totalInputs } = fixed;
  const progress = replica.row(`progress/${id}`) as JobProgress;
  const open = rowsOf<QueryRecord>(replica, `query/${id}`);
  const done = rowsOf<ResultRow>(replica, `result/${id}`);
  const numberOf = (key: string): number => Number(key.slice(-10));
  const running = progress.status.kind === "running" || progress.status.kind === "paused";
  const all = [...open, ...done].map(([key, { from, count }]) => ({
    n: numberOf(key),
    from,
    count,
  }));
  const split = new Set(
    done.flatMap(([key, row]) => (row.into === undefined ? [] : [numberOf(key)])),
  );
  for (const [key, row] of done) checkHalves(numberOf(key), row, all);
  const leaves = all.filter(({ n }) => !split.has(n)).toSorted((a, b) => a.from - b.from);
  let end = 0;
  for (const { from, count } of leaves) {
    if (running) deepStrictEqual(from, end, "S1 no gap");
    ok(from >= end, "S1 no overlap");
    end = from + count;
  }
  ok(end <= progress.cursor && progress.cursor <= totalInputs, "S1 within the job");
  const numbers = all.map(({ n }) => n).toSorted((a, b) => a - b);
  if (running) {
    deepStrictEqual(numbers, [...Array(progress.nextQuery).keys()], "S1 numbers");
    deepStrictEqual(end, progress.cursor, "S1");
  }
  ok(new Set(numbers).size === numbers.length, "S2 open, done or split");
  ok(progress.openQueries === open.length, "S3 openQueries");
  if (progress.prunedQueries === 0) {
    const settled = done.filter(([, { into }]) => into === undefined);
    const inputs = settled.reduce((sum, [, { count }]) => sum + count, 0);
    const errors = settled.flatMap(([, row]) => row.outputs).filter((o) => typeof o === "string");
    deepStrictEqual(
      [progress.doneQueries, progress.doneInputs, progress.errorInputs],
      [settled.length, inputs, errors.length],
      "S3",
    );
  }
  ok(progress.statistics.count === progress.doneQueries, "S3 statistics");
  if (progress.prunedQueries === 0 && fixed.model.manifest.outputs !== undefined)
    checkArrays(
      replica,
      id,
      done.map(([, row]) => row),
    );
  ok(running || open.length === 0, "S4");
  ok(running === !("endedAt" in progress), "S4 endedAt");
  for (const [, query] of open) {
    const nodes = query.attempts.map(({ node }) => node);
    ok(new Set(nodes).size === nodes.length, "S5 one attempt per node");
    for (const a of query.attempts) {
      ok(a.attempt <= query.lastAttempt, "S5");
      const member = members.find(([, m]) => m.node === a.node)?.[1];
      ok(member?.state === "up" && member.boot === a.boot, "attempts are of nodes that are up");
    }
  }
}

/** S6, where nobody has removed one. */
function checkArrays(replica: ReplicaRows, job: JobId, done: readonly ResultRow[]): void {
  const visible = rowsOf<FileRecord>(replica, "file").filter(([key]) =>
    key.startsWith(`file/jobs/${job}/tensors/`),
  );
  for (const [, { last }] of visible) ok(last === 1, "S6 once");
  const wanted = done.filter(({ outputs }) => outputs.some((each) => typeof each !== "string"));
  deepStrictEqual(
    new Set(visible.map(([, { path }]) => path)),
    new Set(wanted.map(({ from }) => `jobs/${job}/tensors/${String(from).padStart(10, "0")}.npz`)),
    "S6",
  );
}

/** T2: the halves of a query that was split cover what it covered. */
function checkHalves(
  n: number,
  { from, count, into }: ResultRow,
  all: readonly { readonly n: number; readonly from: number; readonly count: number }[],
): void {
  if (into === undefined) return;
  const halves = into.map((half) => all.find((each) => each.n === half));
  if (halves.includes(undefined)) return; // pruned, or dropped with its job
  const [left, right] = halves;
  ok(left?.from === from && left.count > 0, `T2 the first half of ${n}`);
  ok(
    right?.from === from + left.count && right.count === count - left.count,
    `T2 the other of ${n}`,
  );
}

/** G1: what an unfinished job or a model pins is there. */
function checkPins(replica: ReplicaRows, { id, model, manifest }: JobFixed): void {
  const { status } = replica.row(`progress/${id}`) as JobProgress;
  if (status.kind !== "running" && status.kind !== "paused") return;
  checkPin(replica, model.file);
  checkPin(replica, manifest);
}

/** The invariants of machine/models.ts. */
function checkModels(replica: ReplicaRows): void {
  const newest = rowsOf<ModelRecord>(replica, "model");
  const older = rowsOf<ModelRecord>(replica, "olderModel");
  for (const [, { file }] of [...newest, ...older]) checkPin(replica, file); // V3
  for (const [key, model] of newest) deepStrictEqual(key, `model/${model.name}`);
  for (const [key, { model, version }] of rowsOf<AliasRecord>(replica, "alias")) {
    ok(replica.row(key.replace("alias/", "model/")) === undefined, "V4");
    const last = replica.row(`model/${model}`) as ModelRecord | undefined;
    const named = `olderModel/${model}@${String(version).padStart(9, "0")}`;
    const isNewest = version === undefined || version === last?.version;
    ok(last !== undefined && (isNewest || replica.row(named) !== undefined), "V5");
    ok(replica.row(`alias/${model}`) === undefined, "V5 one hop");
  }
  for (const [key, { name, version }] of older) {
    deepStrictEqual(key, `olderModel/${name}@${String(version).padStart(9, "0")}`);
    const last = replica.row(`model/${name}`) as ModelRecord | undefined;
    ok(last !== undefined && version < last.version, "V1 the newest is the newest");
  }
}

function checkPin(replica: ReplicaRows, { path, chunks }: Pin): void {
  for (const { hash } of chunks) ok(replica.row(`chunk/${hash}`), `G1 ${path} is pinned`);
}

function checkChunks(replica: ReplicaRows): void {
  const held = new Set(rowsOf<number>(replica, "held").map(([key, n]) => `${key} ${n}`));
  const listed = rowsOf<ChunkRecord>(replica, "chunk").flatMap(([, c]) =>
    c.stores.map((store) => `held/${store}/${c.hash} ${c.bytes}`),
  );
  deepStrictEqual(new Set(listed), held, "C1");
  const lacking = rowsOf<number>(replica, "lacking").map(([key, n]) => `${key} ${n}`);
  const wanting = rowsOf<ChunkRecord>(replica, "chunk")
    .map(([, chunk]) => chunk)
    .filter((c) => c.references > 0 && c.stores.length < replicationFactor)
    .map((c) => `lacking/${c.hash} ${c.stores.length}`);
  deepStrictEqual(new Set(lacking), new Set(wanting), "repair finds what wants copies");
  const surplus = rowsOf<number>(replica, "surplus").map(([key, n]) => `${key} ${n}`);
  const plenty = rowsOf<ChunkRecord>(replica, "chunk")
    .filter(([, c]) => c.stores.length > replicationFactor)
    .map(([, c]) => `surplus/${c.hash} ${c.stores.length}`);
  deepStrictEqual(new Set(surplus), new Set(plenty), "trimming finds what has too many copies");
  const garbage = rowsOf<number>(replica, "garbage").map(([key, n]) => `${key} ${n}`);
  const unwanted = rowsOf<ChunkRecord>(replica, "chunk")
    .filter(([, { references }]) => references === 0)
    .map(([, { hash, bytes }]) => `garbage/${hash} ${bytes}`);
  deepStrictEqual(new Set(garbage), new Set(unwanted), "collection finds what nobody names");
  const references = new Map<string, number>();
  const named = [
    ...rowsOf<VersionRecord>(replica, "version"),
    ...rowsOf<RemovedRecord>(replica, "removed"),
  ];
  for (const [, { chunks }] of named)
    for (const hash of new Set(chunks.map((c) => c.hash)))
      references.set(hash, (references.get(hash) ?? 0) + 1);
  const known = new Set(
    rowsOf<ChunkRecord>(replica, "chunk").map(([, { hash }]) => hash as string),
  );
  for (const hash of references.keys()) ok(known.has(hash), "G2 what is named is known");
  for (const [, chunk] of rowsOf<ChunkRecord>(replica, "chunk")) {
    deepStrictEqual(chunk.references, references.get(chunk.hash) ?? 0, "C2");
    deepStrictEqual(chunk.stores, [...new Set(chunk.stores)].toSorted(), "stores ascend");
  }
}

function checkFiles(replica: ReplicaRows, kept: number): void {
  let versions = 0;
  for (const [, file] of rowsOf<FileRecord>(replica, "file")) {
    const ascending = file.versions.toSorted((a, b) => a - b);
    deepStrictEqual(file.versions, ascending, "C3 ascending");
    ok(file.versions.length <= kept && (file.versions.at(-1) ?? 0) <= file.last, "C3");
    for (const version of file.versions)
      ok(replica.row(`version/${file.path}@${String(version).padStart(10, "0")}`), "C3 row");
    const bytesOf = (version: number): number =>
      (replica.row(`version/${file.path}@${String(version).padStart(10, "0")}`) as VersionRecord)
        .bytes;
    deepStrictEqual(file.bytes, file.versions.map(bytesOf).at(-1) ?? 0, "bytes of the newest");
    if (file.keptBytes !== undefined)
      deepStrictEqual(
        file.keptBytes,
        file.versions.map(bytesOf).reduce((sum, bytes) => sum + bytes, 0),
        "bytes of all that is kept",
      );
    versions += file.versions.length;
  }
  ok(versions === rowsOf(replica, "version").length, "C3 no version without its file");
}

/** What lies under a prefix, by looking at every file. */
export function amountUnder(replica: ReplicaRows, prefix: string): Amount {
  const found = rowsOf<FileRecord>(replica, "file")
    .map(([, file]) => file)
    .filter(({ path, versions }) => path.startsWith(prefix) && versions.length > 0);
  return { bytes: found.reduce((sum, { bytes }) => sum + bytes, 0), files: found.length };
}

function checkQuota(replica: ReplicaRows, quota: QuotaRecord): void {
  const { base, delta, prefix } = quota;
  const is = amountUnder(replica, prefix);
  if (base !== undefined) deepStrictEqual(usedOf(quota), is, `Q1 ${prefix}`);
  else ok(is.bytes >= delta.bytes && is.files >= delta.files, `Q2 ${prefix}`);
}
