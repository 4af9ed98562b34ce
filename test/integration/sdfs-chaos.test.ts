/** A minute of `npm run soak:sdfs`: nothing acknowledged is lost, whatever breaks within the promise. */
import { randomInt } from "node:crypto";
import test from "ava";
import { soak } from "../soak/sdfs/run.ts";

test.serial(
  "seven nodes under kills, wiped folders, flipped bits and full disks keep every acknowledged version",
  async (t) => {
    t.timeout(15 * 60_000);
    const seed = randomInt(1_000_000);
    t.log(`seed ${seed}`);
    const { counts, compared, ...figures } = await soak({
      seed,
      minutes: 1,
      diskMib: 384,
      say: (text) => t.log(text),
    });
    t.deepEqual(figures.violations, []);
    t.log(figures.fsck);
    const { puts, gets, kills, bitsFlipped, foldersWiped, disksFilled } = counts.byKind;
    const { rounds } = counts.byKind;
    // A slow machine may manage the first round only.
    t.true(compared > 0 && puts > 0 && gets > 0 && kills >= 3, "something was put and killed");
    t.true(rounds < 2 || (bitsFlipped > 0 && foldersWiped > 0), "something was damaged");
    t.true(rounds < 2 || disksFilled > 0 || figures.noFullDisks !== undefined);
  },
);
