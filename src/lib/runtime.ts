/**
 * What a node has of the process it runs in, apart from disk and network: time, turns of the event loop, and chance.
 * Whoever waits or draws does it through this port, so that a whole cluster runs in one thread on virtual time.
 */
export interface Timer {
  /** Never calls again. Harmless when it has ended. */
  cancel(): void;
  /** Begins to count anew, unless it has been cancelled or has called. */
  restart(): void;
}

export interface Runtime {
  /** Monotonic milliseconds since some fixed moment. */
  now(): number;
  /** Calls once, `ms` from now, in a turn of its own. */
  after(ms: number, run: () => void): Timer;
  /** Calls every `ms` until cancelled. */
  every(ms: number, run: () => void): Timer;
  /** Calls in the next turn of the loop, after whatever has arrived for this process. */
  soon(run: () => void): void;
  /** Unpredictable bytes, as lower-case hexadecimal digits. */
  randomHex(bytes: number): string;
}
