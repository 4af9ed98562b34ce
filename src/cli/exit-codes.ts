/** What the shell is told: one table from error code to exit code. A new error code does not compile until it is here. */
import type { ErrorCode } from "../lib/errors.ts";

export const exitCodes = {
  done: 0,
  /** The job or the operation failed. */
  failed: 1,
  usage: 2,
  /** No leader, or nobody reachable: worth retrying. */
  unavailable: 3,
  notFound: 4,
  conflict: 5,
  /** Unhealthy, or corruption was found. */
  unhealthy: 6,
  /** A partial answer: not every node could be asked. */
  partial: 7,
  timedOut: 124,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export const exitCodeOf: { readonly [Code in ErrorCode]: ExitCode } = {
  MALFORMED: exitCodes.failed,
  USAGE: exitCodes.usage,
  INVALID: exitCodes.usage,
  NOT_LEADER: exitCodes.unavailable,
  NO_LEADER: exitCodes.unavailable,
  UNREACHABLE: exitCodes.unavailable,
  TIMED_OUT: exitCodes.timedOut,
  CLOSED: exitCodes.unavailable,
  TOO_LARGE: exitCodes.failed,
  BUSY: exitCodes.unavailable,
  NOT_FOUND: exitCodes.notFound,
  CONFLICT: exitCodes.conflict,
  KEY_EXPIRED: exitCodes.conflict,
  KEY_REUSED: exitCodes.conflict,
  STALE_CATALOG: exitCodes.conflict,
  TOO_FEW_COPIES: exitCodes.unavailable,
  CHUNK_UNAVAILABLE: exitCodes.unhealthy,
  BAD_MODEL: exitCodes.failed,
  DIRECTORY_IN_USE: exitCodes.conflict,
  PORT_IN_USE: exitCodes.conflict,
  WRONG_DIRECTORY: exitCodes.conflict,
  CORRUPT: exitCodes.unhealthy,
  HANDSHAKE_REFUSED: exitCodes.failed,
  STORAGE_FAILED: exitCodes.unhealthy,
  NO_SPACE: exitCodes.unavailable,
  QUOTA_EXCEEDED: exitCodes.failed,
  EXECUTOR_FAILED: exitCodes.failed,
  JOB_FAILED: exitCodes.failed,
  INTERNAL: exitCodes.failed,
};
