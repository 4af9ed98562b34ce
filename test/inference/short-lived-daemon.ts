/** A daemon that a test kills: starts an executor, gives it a query, and tells its process id once it runs. */
import { once } from "node:events";
import { Executor } from "../../src/inference/executor.ts";
import type { InputFile, LocalModel } from "../../src/inference/types.ts";

const [order] = (await once(process, "message")) as [
  { readonly model: LocalModel; readonly inputs: readonly InputFile[] },
];
const executor = await Executor.start({ slots: 1 });
await executor.run(
  { id: "q", ...order, timeoutMs: 60_000 },
  { onProgress: () => process.send?.(executor.pid) },
);
