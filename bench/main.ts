/** `npm run bench -- NAME [--quick] [--rounds N]`: runs one benchmark, and cleans up after it whatever happens. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Scope } from "../src/lib/scope.ts";
import type { Bench } from "./bench.ts";
import { sweep } from "./cluster.ts";
import { consensus } from "./consensus/consensus.ts";
import { failover } from "./failover/failover.ts";
import { fairness } from "./fairness/fairness.ts";
import { describeMachine } from "./machine.ts";
import { memory } from "./memory/memory.ts";
import { lastLine, writeReport } from "./report.ts";
import { sdfs } from "./sdfs/sdfs.ts";
import { secondJob } from "./second-job/second-job.ts";
import { throughput } from "./throughput/throughput.ts";
import { tiny } from "./tiny/tiny.ts";
import { trouble } from "./trouble/trouble.ts";

interface Entry {
  readonly bench: Bench;
  readonly about: string;
}

const benches: Readonly<Record<string, Entry>> = {
  failover: { bench: failover, about: "what a death costs: of the leader, of a worker" },
  throughput: { bench: throughput, about: "images per second, beside a bare loop" },
  consensus: { bench: consensus, about: "commits per second, beside etcd" },
  sdfs: { bench: sdfs, about: "files in and out, beside the bare disk and NATS" },
  fairness: { bench: fairness, about: "equal query rates while jobs join, leave and change" },
  "second-job": {
    bench: secondJob,
    about: "a job submitted to a full cluster: until its first image",
  },
  tiny: { bench: tiny, about: "10,000 tiny inputs: accuracy, rate, bytes of the log" },
  memory: { bench: memory, about: "resident memory while 50 models are used in turn" },
  trouble: { bench: trouble, about: "a job's rate beside networks that abort or hang" },
};

const usage = [
  "usage: npm run bench -- NAME [--quick] [--rounds N]",
  ...Object.entries(benches).map(([name, { about }]) => `  ${name.padEnd(11)} ${about}`),
  "  --quick     a rough answer: fewer rounds, and shorter ones",
  "  --rounds N  rounds of each kind; --trials is the same",
  "  --help      this",
].join("\n");

// Two levels up from dist/bench/ is the repository.
const resultsDirectory = fileURLToPath(new URL("../../bench/results/", import.meta.url));
/** As sysexits(3) and the shell have them. */
const exitCodes = { failed: 1, usage: 64, interrupted: 130 } as const;

interface Asked {
  readonly name: string;
  readonly bench: Bench;
  readonly quick: boolean;
  readonly trials: number | undefined;
}

function read(args: readonly string[]): Asked | "help" | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        rounds: { type: "string" },
        trials: { type: "string" },
      },
    });
    if (values.help) return "help";
    const [name = "", ...others] = positionals;
    const bench = Object.hasOwn(benches, name) ? benches[name]?.bench : undefined;
    const asked = values.rounds ?? values.trials;
    const trials = asked === undefined ? undefined : Number(asked);
    const wrongTrials = trials !== undefined && !(Number.isInteger(trials) && trials > 0);
    if (bench === undefined || others.length > 0 || wrongTrials) return undefined;
    return { name, bench, quick: values.quick, trials };
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** Runs to the end, or until a signal; all that was started is gone when it returns. */
async function run({ name, bench, quick, trials }: Asked): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const interrupt = (): void => {
    process.exitCode = exitCodes.interrupted;
    stop.abort(new Error("interrupted"));
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, interrupt);
  const startedMs = performance.now();
  const say = (text: string): void => console.log(text);
  await sweep();
  const machine = await describeMachine();
  say(
    `${name} on ${machine.cores} × ${machine.cpu}, ${machine.node}, fsync ${machine.fsyncMs} ms, load ${machine.loadBefore}`,
  );
  await using scope = new Scope();
  const figures = await bench({ quick, trials, signal, scope, say, resultsDirectory });
  const report = { bench: name, figures, machine };
  await writeReport(resultsDirectory, report);
  say(`${Math.round((performance.now() - startedMs) / 1000)} s in all`);
  say(lastLine(report));
}

const asked = read(process.argv.slice(2));
if (asked === undefined) {
  console.error(usage);
  process.exitCode = exitCodes.usage;
} else if (asked === "help") console.log(usage);
else {
  try {
    await run(asked);
  } catch (error) {
    console.error(error);
    process.exitCode ??= exitCodes.failed;
  }
}
