/** A daemon that a test kills: starts an executor, gives it a query that hangs and one that does not, and tells its process id once they run. */
import { once } from "node:events";
import { Executor } from "../../src/inference/executor.ts";
import type { InputFile, LocalModel } from "../../src/inference/types.ts";

const [order] = (await once(process, "message")) as [
  { readonly model: LocalModel; readonly inputs: readonly InputFile[] },
];
const executor = await Executor.start({ slots: 2 });
/** Tells something all the time, while the other query hangs. */
const talking = { id: "talks/0/1", ...order, timeoutMs: 60_000 };
const [black] = order.inputs;
const blacks = Array.from({ length: 50_000 }, () => black ?? { parts: [], bytes: 0 });
await Promise.all([
  executor.run({ id: "hangs/0/1", ...order, timeoutMs: 60_000 }),
  executor.run(
    { ...talking, inputs: blacks },
    { onProgress: (done) => done > 50 && process.send?.(executor.pid) },
  ),
]);
