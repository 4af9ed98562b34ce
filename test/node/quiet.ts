/** A log that nobody reads. */
import type { Logger } from "../../src/node/log.ts";

export const quiet: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  flush: () => undefined,
};
