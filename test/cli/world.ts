/** Runs the command line inside the test: what it wrote, and its exit code. */
import { Readable, Writable } from "node:stream";
import { nodeDoor, type NodeDoor } from "../../src/cli/node-door.ts";
import { run } from "../../src/cli/program.ts";

class Memory extends Writable {
  readonly #pieces: Buffer[] = [];

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.#pieces.push(Buffer.from(piece));
    done();
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString();
  }
}

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface WorldOptions {
  readonly directory?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: readonly Buffer[];
  readonly stdout?: Writable;
  readonly signal?: AbortSignal;
  readonly door?: NodeDoor;
}

export async function idunno(
  argv: readonly string[],
  options: WorldOptions = {},
): Promise<Outcome> {
  const [stdout, stderr] = [new Memory(), new Memory()];
  const code = await run(
    argv,
    {
      stdin: Readable.from(options.stdin ?? []),
      stdout: options.stdout ?? stdout,
      stderr,
      env: options.env ?? {},
      directory: options.directory ?? "/nonexistent",
      signal: options.signal ?? new AbortController().signal,
    },
    options.door ?? nodeDoor,
  );
  return { code, out: stdout.text, err: stderr.text };
}
