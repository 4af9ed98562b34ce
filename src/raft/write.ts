/** Gathering what must be written into one write, which is how many proposals come to share one sync. */
import { isDirty, type RaftState } from "./state.ts";
import type { PersistWrite } from "./types.ts";

/** Takes what has gathered since the last write; undefined: nothing has. */
export function takeWrite(state: RaftState): PersistWrite | undefined {
  if (!isDirty(state)) return undefined;
  const { dirty, log, term, vote } = state;
  const write = state.nextWrite;
  state.nextWrite += 1;
  const entries =
    dirty.appendFrom === undefined ? [] : log.take(dirty.appendFrom, Number.POSITIVE_INFINITY);
  const persist: PersistWrite = {
    write,
    hardState: dirty.hardState ? { term, vote } : undefined,
    install: dirty.install,
    truncateFrom: dirty.truncateFrom,
    entries,
  };
  dirty.hardState = false;
  dirty.install = undefined;
  dirty.truncateFrom = undefined;
  dirty.appendFrom = undefined;
  log.writing(write);
  return persist;
}
