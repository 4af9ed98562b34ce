/** Starts the process that makes the load, and waits for what it measured. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { IDunnoError } from "../../src/lib/errors.ts";
import type { FromGenerator, Load, Measured } from "./generator.ts";

/** @throws INTERNAL when a put failed or the generator ended; the signal's reason */
export async function measure(load: Load, signal: AbortSignal): Promise<Measured> {
  signal.throwIfAborted();
  const child = fork(fileURLToPath(new URL("./generator.js", import.meta.url)));
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    let answer: FromGenerator | undefined;
    child.once("message", (message) => (answer = message as FromGenerator));
    child.send(load);
    await once(child, "exit");
    signal.throwIfAborted();
    if (answer?.kind === "measured") return answer.measured;
    const message = answer?.message ?? "the generator ended without an answer";
    throw new IDunnoError("INTERNAL", { message: `${load.target.kind}: ${message}` });
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}
