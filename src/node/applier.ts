/**
 * Applies committed entries to the machine, in order, a slice of time at a time, and tells those who wait: for the
 * outcome of their own command, or for the state to have reached an index.
 */
import { IDunnoError } from "../lib/errors.ts";
import type { Outcome } from "../lib/outcome.ts";
import type { Runtime } from "../lib/runtime.ts";
import { assert, LogIndex, type Term } from "../lib/types.ts";
import { decodeCommand } from "../machine/codec.ts";
import type { Machine, Mutation } from "../machine/machine.ts";
import type { Entry } from "../raft/types.ts";
import { nextTurn } from "./deadline.ts";
import type { Logger } from "./log.ts";
import type { LogClock } from "./log-clock.ts";
import { configurationOf } from "./stores/log-recovery.ts";
import type { StateStore } from "./stores/state-store.ts";

/** Time that applying may hold the loop, in milliseconds: well under a heartbeat, and design section 4's 10 ms. */
const sliceMs = 6;
/** Bytes of entries read at once: what is not in memory is read from the disk, which counts for the slice. */
const readBytes = 64 * 1024;

export interface ApplierPorts {
  readonly machine: Machine;
  readonly state: StateStore;
  readonly logClock: LogClock;
  readonly runtime: Runtime;
  readonly log: Logger;
  /** Committed entries from an index on. */
  readonly entries: (from: LogIndex, maxBytes: number) => readonly Entry[];
  /** What a command changed, in the moment in which it did. */
  readonly onMutations: (mutations: readonly Mutation[]) => void;
  readonly onFatal: (error: unknown) => void;
}

/** Somebody who waits for the outcome of the command at an index, if it is still theirs when it is applied. */
export interface Expectation {
  readonly index: LogIndex;
  readonly term: Term;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: IDunnoError) => void;
}

export class Applier {
  readonly #ports: ApplierPorts;
  readonly #expected = new Map<LogIndex, Expectation>();
  #waiting: { readonly index: number; readonly resolve: () => void }[] = [];
  readonly #listeners = new Set<() => void>();
  #target: LogIndex;
  #applied: LogIndex;
  #read: readonly Entry[] = [];
  #nextRead = 0;
  #running: Promise<void> = Promise.resolve();
  #busy = false;
  #stopped = false;
  #isPaused = false;

  constructor(ports: ApplierPorts) {
    this.#ports = ports;
    this.#applied = LogIndex(ports.state.appliedIndex);
    this.#target = this.#applied;
  }

  get appliedIndex(): LogIndex {
    return this.#applied;
  }

  /** Calls after every slice that was applied. */
  onApplied(listener: () => void): void {
    this.#listeners.add(listener);
  }

  applyTo(index: LogIndex): void {
    if (index <= this.#target || this.#stopped) return;
    this.#target = index;
    this.#start();
  }

  /** Applies nothing more; resolves when it is at rest. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#running;
  }

  resume(): void {
    this.#isPaused = false;
    this.#start();
  }

  /** The state was replaced by one as of an index, while this was at rest. */
  replaced(index: LogIndex): void {
    this.#applied = index;
    this.#ports.logClock.observe(this.#ports.machine.logTime);
    if (this.#target < index) this.#target = index;
    this.#announce();
    this.resume();
  }

  #start(): void {
    if (!this.#busy && !this.#isPaused && this.#applied < this.#target) this.#running = this.#run();
  }

  expect(expectation: Expectation): void {
    this.#expected.set(expectation.index, expectation);
  }

  /** This node leads no more: its commands may or may not survive, so nobody may wait for them here. */
  abandon(leader: string | undefined): void {
    for (const { reject } of this.#expected.values())
      reject(new IDunnoError("NOT_LEADER", { leader }));
    this.#expected.clear();
  }

  /** Resolves when the state has reached an index. The caller bounds the wait. */
  async reached(index: LogIndex, signal: AbortSignal): Promise<void> {
    if (this.#applied >= index) return;
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((each) => each !== waiter);
        reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
      };
      const waiter = {
        index,
        resolve: () => {
          signal.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  /** Resolves when something more has been applied than an index that the caller has seen. */
  async changed(seen: LogIndex, signal: AbortSignal): Promise<void> {
    await this.reached(LogIndex(seen + 1), signal);
  }

  /** Begins at once; most of the time it ends before it had to wait for anything. */
  async #run(): Promise<void> {
    this.#busy = true;
    try {
      while (this.#applied < this.#target && !this.#stopped && !this.#isPaused) {
        this.#slice();
        this.#announce();
        if (this.#applied < this.#target) await nextTurn(this.#ports.runtime);
      }
    } catch (error) {
      this.#stopped = true;
      this.#ports.onFatal(error);
    } finally {
      this.#busy = false;
    }
  }

  #slice(): void {
    const { runtime } = this.#ports;
    const end = runtime.now() + sliceMs;
    while (this.#applied < this.#target && runtime.now() < end) {
      const entry = this.#next();
      this.#apply(entry);
    }
  }

  /** Committed entries never change, so those that were read and not yet applied wait for the next slice. */
  #next(): Entry {
    let entry = this.#read[this.#nextRead];
    if (entry?.index !== this.#applied + 1) {
      const found = this.#ports.entries(LogIndex(this.#applied + 1), readBytes);
      // What lies beyond the target may still be replaced: it is read again when it is committed.
      this.#read = found.slice(0, this.#target - this.#applied);
      this.#nextRead = 0;
      [entry] = this.#read;
    }
    this.#nextRead += 1;
    assert(entry !== undefined, "what is committed can be read");
    return entry;
  }

  #apply(entry: Entry): void {
    assert(entry.index === this.#applied + 1, "entries are applied in order");
    const { machine, state, log, logClock, onMutations } = this.#ports;
    const expectation = this.#expected.get(entry.index);
    this.#expected.delete(entry.index);
    if (entry.kind === "command") {
      const command = decodeCommand(entry.data);
      const applied = machine.apply(command, entry.index);
      state.commit(entry.index, applied.mutations);
      onMutations(applied.mutations);
      logClock.observe(machine.logTime);
      if (applied.failure !== undefined)
        log.error("apply-failed", {
          index: entry.index,
          kind: command.operation.kind,
          error: applied.failure instanceof Error ? applied.failure.stack : typeof applied.failure,
        });
      if (expectation?.term === entry.term) expectation.resolve(applied.outcome);
    } else if (entry.kind === "configuration") {
      state.commitConfiguration(configurationOf(entry));
    } else state.commit(entry.index, []);
    if (expectation !== undefined && expectation.term !== entry.term)
      expectation.reject(new IDunnoError("NOT_LEADER", { leader: undefined }));
    this.#applied = entry.index;
  }

  #announce(): void {
    const ready = this.#waiting.filter(({ index }) => index <= this.#applied);
    if (ready.length > 0) {
      this.#waiting = this.#waiting.filter(({ index }) => index > this.#applied);
      for (const { resolve } of ready) resolve();
    }
    for (const listener of this.#listeners) listener();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.abandon(undefined);
    await this.#running;
  }
}
