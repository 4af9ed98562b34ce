/**
 * How much a store's disk has for chunks, which is its weight in placement. It is what is free and what its chunks take
 * up already, so that it stays the same while chunks come and go: else stores would be weighed by their own doing.
 */
import { type Outcome, done, refuse } from "../../lib/outcome.ts";
import type { Rows } from "../../lib/rows.ts";
import type { StoreId } from "../../lib/types.ts";
import { stores } from "./rows.ts";

/** Steps of a factor of two: 19 % between one and the next. */
const stepsPerDoubling = 4;

/** What a node says of its store: bytes, rounded to a step; 0 when the disk is full and takes no more chunks. */
export interface StoreRoom {
  readonly store: StoreId;
  readonly room: number;
}

/** Takes note of the room of a store. One that was lost keeps none. */
export function weighStore(rows: Rows, { store, room }: StoreRoom): Outcome {
  const record = stores.get(rows, store);
  if (record === undefined)
    return refuse("NOT_FOUND", {
      kind: "store",
      name: store,
      remedy: "its node must register first",
    });
  if (record.state === "active" && record.room !== room)
    stores.put(rows, store, { ...record, room });
  return done;
}

/**
 * What to say of a store's room, so that not every byte is told to the whole cluster.
 * @param said what the cluster knows; undefined: nothing yet
 */
export function roomToSay(bytes: number, said: number | undefined): number {
  if (bytes <= 0) return 0;
  // One whole step away: between two of them nothing wavers.
  const isNear =
    said !== undefined && said > 0 && Math.abs(Math.log2(bytes / said)) < 1 / stepsPerDoubling;
  if (isNear) return said;
  const steps = Math.round(Math.log2(bytes) * stepsPerDoubling);
  return Math.max(1, Math.round(2 ** (steps / stepsPerDoubling)));
}
