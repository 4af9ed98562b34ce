/**
 * The one door to prom-client: what `/metrics` tells. Most of it is read from the node's parts when it is asked for
 * (readings.ts); what passes too quickly to be read is told by those who see it, through {@link Observer}.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ErrorCode } from "../lib/errors.ts";
import { readings } from "./readings.ts";
import type { Services } from "./services.ts";

/** Told what happens, as it happens. Must be cheap: some of it happens thousands of times a second. */
export interface Observer {
  /** A command waits for its commit: it ends in {@link committed} or {@link proposalFailed}. */
  proposed(): void;
  /** It was applied here, so long after it was proposed. */
  committed(seconds: number): void;
  proposalFailed(code: ErrorCode): void;
  /** The log took entries, or a term and vote alone, in one synced write. */
  logWritten(seconds: number, entries: number): void;
  /** Another node leads than the last one known. */
  leaderChanged(): void;
  snapshotSent(): void;
  snapshotInstalled(): void;
}

/** From a fast disk's sync to an election; a commit takes one sync here and one there at least. */
const secondsBuckets = [
  0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8,
];

const observed = {
  commit: {
    name: "idunno_commit_seconds",
    help: "from proposing a command at this node, as the leader, until it is applied here",
  },
  failed: {
    name: "idunno_proposals_failed_total",
    help: "commands that were not known to be committed here, by error code",
  },
  pending: { name: "idunno_proposals_pending", help: "commands that wait for their commit here" },
  logWrite: { name: "idunno_raft_log_write_seconds", help: "one synced write of the log" },
  logEntries: { name: "idunno_raft_log_entries_total", help: "entries written to the log" },
  leaderChanges: {
    name: "idunno_raft_leader_changes_total",
    help: "times that another node was found to lead",
  },
  sent: { name: "idunno_snapshots_sent_total", help: "snapshots sent to peers" },
  installed: {
    name: "idunno_snapshots_installed_total",
    help: "snapshots of peers that replaced the state here",
  },
} as const;

/** Every metric's name, for the documents. */
export const metricNames: readonly string[] = [
  ...Object.values(observed).map(({ name }) => name),
  ...readings.map(({ name }) => name),
];

export class Metrics implements Observer {
  readonly #registry = new Registry();
  readonly #registers = [this.#registry];
  readonly #commit = this.#histogram(observed.commit);
  readonly #logWrite = this.#histogram(observed.logWrite);
  readonly #failed = this.#counter(observed.failed, ["code"]);
  readonly #logEntries = this.#counter(observed.logEntries);
  readonly #leaderChanges = this.#counter(observed.leaderChanges);
  readonly #sent = this.#counter(observed.sent);
  readonly #installed = this.#counter(observed.installed);
  readonly #pendingGauge = this.#gauge(observed.pending);
  readonly #read = readings.map((reading) => ({
    reading,
    gauge: this.#gauge(reading, reading.labels),
  }));
  #pending = 0;

  proposed(): void {
    this.#pending += 1;
  }

  committed(seconds: number): void {
    this.#pending -= 1;
    this.#commit.observe(seconds);
  }

  proposalFailed(code: ErrorCode): void {
    this.#pending -= 1;
    this.#failed.inc({ code });
  }

  logWritten(seconds: number, entries: number): void {
    this.#logWrite.observe(seconds);
    this.#logEntries.inc(entries);
  }

  leaderChanged(): void {
    this.#leaderChanges.inc();
  }

  snapshotSent(): void {
    this.#sent.inc();
  }

  snapshotInstalled(): void {
    this.#installed.inc();
  }

  /** What the text below is, for the header of the answer. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything, in Prometheus' text format, as of now. */
  async render(services: Services): Promise<string> {
    this.#pendingGauge.set(this.#pending);
    for (const { reading, gauge } of this.#read) {
      // A peer that has left, or this node's leadership, must not leave its last value behind.
      gauge.reset();
      for (const { labels = {}, value } of reading.read(services)) gauge.set(labels, value);
    }
    return this.#registry.metrics();
  }

  #histogram(definition: Definition): Histogram {
    const registers = this.#registers;
    return new Histogram({ ...definition, registers, buckets: secondsBuckets });
  }

  #counter(definition: Definition, labelNames: readonly string[] = []): Counter {
    return new Counter({ ...definition, registers: this.#registers, labelNames: [...labelNames] });
  }

  #gauge({ name, help }: Definition, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name, help, registers: this.#registers, labelNames: [...labelNames] });
  }
}

interface Definition {
  readonly name: string;
  readonly help: string;
}
