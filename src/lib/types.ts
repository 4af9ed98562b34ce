/**
 * Nominal types. A `Term` and a `LogIndex` are both numbers; swapping them must be a compile error.
 */
declare const brand: unique symbol;

/** A nominal type: a `T` that came through the one constructor allowed to make it. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A Raft term (§5.1): starts at 0, grows by one at each election. */
export type Term = Branded<number, "Term">;
export const Term = (n: number): Term => n as Term;

/** A position in the Raft log (§5.3): the first entry has index 1; 0 is "before the log". */
export type LogIndex = Branded<number, "LogIndex">;
export const LogIndex = (n: number): LogIndex => n as LogIndex;

/** A node's name: unique in the cluster, `[a-z0-9][a-z0-9-]{0,31}`, chosen by the operator. */
export type NodeId = Branded<string, "NodeId">;
export const NodeId = (name: string): NodeId => name as NodeId;

/** A chunk store's id: random, made with its folder, so a wiped folder is never taken for the old one. */
export type StoreId = Branded<string, "StoreId">;
export const StoreId = (id: string): StoreId => id as StoreId;

/** SHA-256 of a chunk's bytes in lower-case hex (64 characters): its name everywhere. */
export type ChunkHash = Branded<string, "ChunkHash">;
export const ChunkHash = (hex: string): ChunkHash => hex as ChunkHash;

/** A job's id, `j` and the log index of its submission (`j42`): unique for ever, ordered by submission. */
export type JobId = Branded<string, "JobId">;
export const JobId = (id: string): JobId => id as JobId;

/** A query's number within its job, from 0, in the order in which it was carved. Never reused. */
export type QueryNumber = Branded<number, "QueryNumber">;
export const QueryNumber = (n: number): QueryNumber => n as QueryNumber;

/** How often a query has been handed out, from 1. */
export type Attempt = Branded<number, "Attempt">;
export const Attempt = (n: number): Attempt => n as Attempt;

/** A file's version: the newest has the largest; the first is 1. */
export type FileVersion = Branded<number, "FileVersion">;
export const FileVersion = (n: number): FileVersion => n as FileVersion;

/** Milliseconds of log time (docs/raft.md): stamped by leaders, never going back, the same on every replica. */
export type LogTime = Branded<number, "LogTime">;
export const LogTime = (ms: number): LogTime => ms as LogTime;

export function assertNever(value: never, what: string): never {
  throw new TypeError(`unhandled ${what}: ${JSON.stringify(value)}`);
}

/** Ends the process by an exception when an invariant is broken: a node that cannot trust its state must not answer. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionFailure(invariant);
}

/** A broken invariant. Never caught to go on: the daemon logs it and exits. */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}
