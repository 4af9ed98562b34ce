/** Some tries of `npm run soak:sdfs-acknowledged`. */
import { randomInt } from "node:crypto";
import test from "ava";
import { killAfterAcknowledgement } from "../soak/sdfs/acknowledged.ts";

test.serial(
  "a file can be read though three of seven nodes die in the instant after it was acknowledged",
  async (t) => {
    t.timeout(300_000);
    const seed = randomInt(1_000_000);
    t.log(`seed ${seed}`);
    const say = (text: string): void => t.log(text);
    const { failures, tries } = await killAfterAcknowledgement({ tries: 3, seed, say });
    t.deepEqual(failures, []);
    t.is(tries, 3);
  },
);
