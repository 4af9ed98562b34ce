#!/usr/bin/env node
/** The program `idunno`: the process around {@link run}, and the only place that ends it. */
import { constants } from "node:os";
import { Interrupted, run } from "./program.ts";

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    const exitCode = 128 + constants.signals[signal];
    // The first asks for a good end, the second gets any.
    if (interrupted.signal.aborted) process.exit(exitCode);
    interrupted.abort(new Interrupted(exitCode));
  });
// Seen by run() while it runs; an error that comes after it changes nothing.
process.stdout.on("error", () => undefined);
// The reader of our messages has gone: nothing can be said any more, least of all that.
process.stderr.on("error", () => process.exit(1));

const exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  directory: process.cwd(),
  signal: interrupted.signal,
});
// What was written to a pipe may still be on its way.
process.stdout.write("", () => process.exit(exitCode));
