/** Where fresh seeds come from: the one place of the simulation that is not a function of its inputs. */
import { randomInt } from "node:crypto";

/** A first seed; those that follow it are as fresh. */
export function freshSeed(): number {
  return randomInt(1_000_000, 2_000_000_000);
}
