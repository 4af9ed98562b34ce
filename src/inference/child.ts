/**
 * The executor process. It owns every native inference library, so that a network that hangs or crashes
 * takes this process with it and nothing else. Its main thread only passes messages between the daemon and
 * the worker threads, one per slot and a spare one; answers of brief queries wait there for each other (answer-relay.ts).
 */
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { assert } from "../lib/types.ts";
import { AnswerRelay } from "./answer-relay.ts";
import { systemClock } from "./clock.ts";
import type { Downward, FromThread } from "./protocol.ts";

/** With autogrouping on, nice values count only within a session: this session as a whole must yield too. */
const AUTOGROUP_NICE = "10";

await yieldToOthers();
// The daemon is gone. Not exit(): ending in order while a thread is inside the network aborts with a core dump.
const dieWithDaemon = (): void => void process.kill(process.pid, "SIGKILL");
process.on("disconnect", dieWithDaemon);
// A defect of ours; it would end the process in order, too.
process.on("uncaughtException", (error) => {
  process.stderr.write(`executor: ${error.stack ?? error.message}\n`, dieWithDaemon);
});
if (!process.connected) dieWithDaemon();

const slots = Number(process.argv[2]);
assert(Number.isInteger(slots) && slots > 0, "the number of slots is the first argument");
let open = slots;
const relay = new AnswerRelay(slots, {
  clock: systemClock,
  send: (together) =>
    // What cannot be sent has nobody who waits for it: that may be seen before the channel's end is.
    process.send?.(together, undefined, undefined, (error) => {
      if (error !== null) dieWithDaemon();
    }),
});
const threads = Array.from({ length: slots }, (_, slot) => {
  const thread = new Worker(new URL("./thread.js", import.meta.url));
  thread.on("message", (message: FromThread) => relay.said(slot, message));
  thread.on("error", (error) => {
    // A defect of ours. The other threads may be inside the network, so again not exit().
    process.stderr.write(`thread ${slot}: ${error.stack ?? error.message}\n`, dieWithDaemon);
  });
  thread.on("exit", () => {
    open -= 1;
    if (open > 0) return;
    // All were told to close and nothing is left to do.
    process.off("disconnect", dieWithDaemon);
    process.disconnect();
  });
  return thread;
});
process.on("message", ({ slot, message }: Downward) => {
  relay.given(slot, message);
  threads[slot]?.postMessage(message);
});

async function yieldToOthers(): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return writeFileSync("/proc/self/autogroup", AUTOGROUP_NICE);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // No such file: another system, or a kernel without autogrouping. No permission: a container's read-only /proc.
      if (code === "ENOENT" || code === "EACCES") return;
      // The kernel takes one unprivileged change in 100 ms from the whole machine.
      if (code === "EAGAIN" && attempt < 5) await sleep(100 * attempt);
      else return void process.stderr.write(`cannot lower the session's priority: ${code}\n`);
    }
  }
}
