import test from "ava";
import { type FlipFailure, flipBits } from "../../soak/bit-flip-run.ts";

/** `npm run soak:bit-flip` does thousands of them. */
const offsets = 60;

for (const founders of [["n1", "n2", "n3"], ["n1"]])
  test(`a flipped bit is harmless, refused or healed, never wrong data: ${founders.length} voters`, async (t) => {
    t.timeout(170_000);
    const failures: FlipFailure[] = [];
    const { total } = await flipBits({
      offsets: offsets / 2,
      seed: 11,
      founders,
      onFailure: (failure) => failures.push(failure),
    });
    t.deepEqual(failures, []);
    t.true(total.right > 0);
    t.true(founders.length === 1 ? total.refused > 0 : total.healed > 0);
  });
