/**
 * The runtime of one simulated process: its own clock, which drifts and jumps, its timers, and a gate through which all
 * that happens to it must pass. A dead process hears nothing more; one that stands still hears it all at once, later.
 */
import type { Random } from "../../src/lib/random.ts";
import type { Runtime, Timer } from "../../src/lib/runtime.ts";
import type { Event, VirtualTime } from "./virtual-time.ts";

/** How a machine's clock runs. */
export interface Clock {
  /** What it shows at the start of the simulation, in ms. */
  offset: number;
  /** Its milliseconds per thousand true ones. */
  readonly perMille: number;
}

interface PendingTimer {
  due: number;
  readonly ms: number;
  readonly isRepeated: boolean;
  readonly run: () => void;
  event: Event | undefined;
}

/** A process that was killed stays so; its promises never settle. */
export class SimulatedProcess implements Runtime {
  readonly #time: VirtualTime;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timers = new Set<PendingTimer>();
  readonly #backlog: (() => void)[] = [];
  isAlive = true;
  #isPaused = false;
  /** Called after everything that ran in this process. */
  onRan: () => void = () => undefined;

  constructor(time: VirtualTime, clock: Clock, random: Random) {
    this.#time = time;
    this.#clock = clock;
    this.#random = random;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  now(): number {
    const { offset, perMille } = this.#clock;
    return offset + (this.#time.now * perMille) / 1_000;
  }

  after(ms: number, run: () => void): Timer {
    return this.#timer(ms, run, false);
  }

  every(ms: number, run: () => void): Timer {
    return this.#timer(ms, run, true);
  }

  soon(run: () => void): void {
    this.#time.after(0, () => this.enter(run));
  }

  randomHex(bytes: number): string {
    let digits = "";
    while (digits.length < 2 * bytes) digits += this.#random.next().toString(16).padStart(8, "0");
    return digits.slice(0, 2 * bytes);
  }

  /** Something happens to this process: a message, an answer of its disk, a timer. */
  enter(run: () => void): void {
    if (!this.isAlive) return;
    if (this.#isPaused) {
      this.#backlog.push(run);
      return;
    }
    run();
    this.onRan();
  }

  /** For what is to happen to this process after some true time, as a disk's answer. */
  later(ms: number, run: () => void): void {
    this.#time.after(ms, () => this.enter(run));
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** Everything that came meanwhile happens now, in its order, each in a turn of its own. */
  resume(): void {
    this.#isPaused = false;
    for (const run of this.#backlog.splice(0)) this.#time.after(0, () => this.enter(run));
  }

  /** The machine slept, or its clock was set forward: what was due meanwhile is due now. */
  jump(ms: number): void {
    this.#clock.offset += ms;
    for (const timer of this.#timers) this.#schedule(timer);
  }

  kill(): void {
    this.isAlive = false;
    this.#backlog.length = 0;
    for (const { event } of this.#timers) if (event !== undefined) event.run = undefined;
    this.#timers.clear();
  }

  #timer(ms: number, run: () => void, isRepeated: boolean): Timer {
    const timer: PendingTimer = { due: this.now() + ms, ms, isRepeated, run, event: undefined };
    if (this.isAlive) {
      this.#timers.add(timer);
      this.#schedule(timer);
    }
    return {
      cancel: () => this.#drop(timer),
      restart: () => {
        if (!this.#timers.has(timer)) return;
        timer.due = this.now() + ms;
        this.#schedule(timer);
      },
    };
  }

  #schedule(timer: PendingTimer): void {
    if (timer.event !== undefined) timer.event.run = undefined;
    const ms = ((timer.due - this.now()) * 1_000) / this.#clock.perMille;
    // Never before it is due, which rounding might.
    timer.event = this.#time.after(Math.max(0, Math.ceil(ms * 1_000) / 1_000), () =>
      this.enter(() => this.#fire(timer)),
    );
  }

  #fire(timer: PendingTimer): void {
    if (!this.#timers.has(timer)) return;
    if (timer.isRepeated) {
      timer.due = this.now() + timer.ms;
      this.#schedule(timer);
    } else this.#timers.delete(timer);
    timer.run();
  }

  #drop(timer: PendingTimer): void {
    if (timer.event !== undefined) timer.event.run = undefined;
    this.#timers.delete(timer);
  }
}
