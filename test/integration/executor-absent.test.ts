/** Inference may be missing on a machine: files and votes do not wait for it. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import test from "ava";
import { clientOf, cluster, daemonLog, download, putText, until } from "./support.ts";

test.serial("a node whose executor never starts leads, votes and keeps files", async (t) => {
  t.timeout(120_000);
  const folder = await mkdtemp(join(tmpdir(), "idunno-no-executor-"));
  // The executor is started through `nice`: one that fails stands for whatever keeps it from starting.
  await writeFile(join(folder, "nice"), "#!/bin/sh\nexit 1\n");
  await chmod(join(folder, "nice"), 0o755);
  const { PATH } = process.env;
  process.env["PATH"] = `${folder}${delimiter}${PATH}`;
  t.teardown(async () => {
    process.env["PATH"] = PATH;
    await rm(folder, { recursive: true });
  });
  const alone = await cluster(t, 1);
  const [node] = alone.nodes;
  const name = node?.name ?? "";
  const tries = async (): Promise<number> =>
    (await daemonLog(alone, name)).split('"msg":"executor-down"').length - 1;
  // More often than it takes to be given up: the node lives on.
  await until("seven starts to have failed", async () => (await tries()) >= 7);
  const client = clientOf(alone.endpoints);
  await putText(client, "kept.txt", "kept all the same");
  await alone.kill(name, "SIGKILL");
  await alone.restart(name);
  t.is(await download(client, "kept.txt"), "kept all the same");
});
