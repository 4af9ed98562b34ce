/**
 * What sockets read into lies outside V8's heap, and V8 knows of it only that there is ever more: every 64 MiB it marks
 * the whole heap to find out that hardly any of it is used. At the rate of a put that was several marks a second in every
 * node, a fifth of its time and pauses of tens of milliseconds. Who reads much says so here, and the young generation is
 * collected now and then, where those buffers still are and of which next to nothing lives: a millisecond.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes read from one collection to the next. Halved or doubled it made no difference; at 16 MiB V8 marked again. */
export const bytesPerCollection = 4 * 1024 * 1024;

// There is no other way to reach it in a process that was started without the flag.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { readonly type: "minor" }) => void;

let bytesRead = 0;

/** Buffers of so many bytes have come from outside, and will soon be garbage. */
export function sawBytes(bytes: number): void {
  bytesRead += bytes;
  if (bytesRead < bytesPerCollection) return;
  bytesRead = 0;
  collect({ type: "minor" });
}
