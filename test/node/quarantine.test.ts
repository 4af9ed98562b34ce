import test from "ava";
import { Quarantine } from "../../src/node/quarantine.ts";

/** Work that ends when told to, and says who else runs. */
function world() {
  const running = new Set<string>();
  const ends = new Map<string, () => void>();
  const seen = new Map<string, string[]>();
  const work = (name: string) => async (): Promise<void> => {
    running.add(name);
    seen.set(name, [...running]);
    await new Promise<void>((resolve) => ends.set(name, resolve));
    running.delete(name);
  };
  return { running, seen, work, end: (name: string) => ends.get(name)?.() };
}

const turn = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a suspect runs alone: after those before it, before those behind it", async (t) => {
  const quarantine = new Quarantine();
  const { running, seen, work, end } = world();
  const first = quarantine.shared(work("first"));
  const second = quarantine.shared(work("second"));
  const suspect = quarantine.alone(work("suspect"));
  const late = quarantine.shared(work("late"));
  await turn();
  t.deepEqual([...running], ["first", "second"]);
  end("first");
  end("second");
  await Promise.all([first, second]);
  await turn();
  t.deepEqual([...running], ["suspect"]);
  end("suspect");
  await suspect;
  await turn();
  t.deepEqual(seen.get("suspect"), ["suspect"]);
  t.deepEqual([...running], ["late"]);
  end("late");
  await late;
});

test("work that throws lets the next one in", async (t) => {
  const quarantine = new Quarantine();
  await t.throwsAsync(quarantine.alone(async () => Promise.reject(new Error("dead"))));
  t.is(await quarantine.shared(async () => Promise.resolve(1)), 1);
  await t.throwsAsync(quarantine.shared(async () => Promise.reject(new Error("dead"))));
  t.is(await quarantine.alone(async () => Promise.resolve(2)), 2);
});
