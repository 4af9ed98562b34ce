/**
 * The child process that lives in a mutant's world: runs seed after seed and says what came of each, until one fails
 * or the last one is through. `node dist/test/simulation/mutants/hunt.js MODULE FUNCTION SEEDS`, where seeds are
 * stretches such as `1+600,100001+600`: a first one, and how many.
 */
export type Sighting =
  /** The world is loaded: what fails from here on is the mutant's doing. */
  | { readonly kind: "ready" }
  | { readonly kind: "begun"; readonly seed: number }
  | { readonly kind: "passed"; readonly seed: number }
  | {
      readonly kind: "failed";
      readonly seed: number;
      readonly message: string;
      /** Thrown by the code that was changed, and not by somebody who watches it. */
      readonly isOwn: boolean;
    };

const [, , module = "", name = "", stretches = ""] = process.argv;
if (process.send !== undefined) await hunt(stretches);

async function hunt(list: string): Promise<void> {
  const exports = (await import(
    new URL(`../../../../${module}`, import.meta.url).href
  )) as Readonly<Record<string, unknown>>;
  const simulate = exports[name];
  if (typeof simulate !== "function") throw new Error(`${module} has no function ${name}`);
  await tell({ kind: "ready" });
  for (const seed of seedsOf(list)) {
    await tell({ kind: "begun", seed });
    const sighting = await live(seed, () => simulate(seed) as unknown);
    await tell(sighting);
    if (sighting.kind === "failed") break;
  }
  process.disconnect();
}

function* seedsOf(list: string): Generator<number> {
  for (const stretch of list.split(",")) {
    const [first = 1, count = 1] = stretch.split("+").map(Number);
    for (let seed = first; seed < first + count; seed += 1) yield seed;
  }
}

async function live(seed: number, simulate: () => unknown): Promise<Sighting> {
  try {
    await simulate();
    return { kind: "passed", seed };
  } catch (error) {
    const root = rootOf(error);
    const [frame = ""] = /^ {4}at .*$/m.exec(root.stack ?? "") ?? [];
    // Broken invariants are thrown in lib; who broke them stands one line below.
    return { kind: "failed", seed, message: root.message, isOwn: frame.includes("/dist/src/") };
  }
}

function rootOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return error.cause === undefined ? error : rootOf(error.cause);
}

/** Waits until it has left: an endless loop may follow. */
async function tell(sighting: Sighting): Promise<void> {
  await new Promise<void>((resolve) => {
    process.send?.(sighting, () => {
      resolve();
    });
  });
}
