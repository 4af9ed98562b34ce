/** Processes that a benchmark started itself. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** Kills those that still run; resolves when none does. */
export async function endAll(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }),
  );
}
