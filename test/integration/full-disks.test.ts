/** Disks without room, on real processes: puts are refused before their bytes, and go on when there is room. */
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import test from "ava";
import { hasCode } from "../../src/lib/errors.ts";
import { DevCluster } from "../../src/cli/dev/cluster.ts";
import {
  clientOf,
  download,
  idunno,
  idunnoMain,
  putText,
  startCluster,
  stopCluster,
  until,
} from "./support.ts";

/** Starts daemons for which the disk has room for the log, and none for chunks. */
async function fullCommand(): Promise<readonly string[]> {
  const { bavail, bsize } = await statfs(tmpdir());
  const reserve = Math.floor((0.75 * bavail * bsize) / 2 ** 20);
  const script = `exec "$0" "${idunnoMain}" "$@" --disk-reserve ${reserve}`;
  return ["/bin/sh", "-c", script, process.execPath];
}

test.serial(
  "with too many disks full a put is refused and nothing is lost; with room it goes on",
  async (t) => {
    t.timeout(180_000);
    const up = await startCluster(3, 1);
    // Another look at it than `up`: n3 may be the daemon that `full` has started.
    t.teardown(async () => stopCluster(DevCluster.open({ directory: up.directory })));
    const client = clientOf(up.endpoints);
    await putText(client, "before", "kept");
    const full = DevCluster.open({ directory: up.directory, command: await fullCommand() });
    await full.kill("n3", "SIGKILL");
    await full.restart("n3");
    const room = async (node: string) =>
      (await client.members()).find((member) => member.node === node)?.roomBytes;
    await until("n3 to say that it is full", async () => (await room("n3")) === 0);
    const refused = await t.throwsAsync(putText(client, "during", "x"));
    t.true(hasCode(refused, "NO_SPACE"), String(refused));
    t.regex(refused?.message ?? "", /n3/);
    const put = await idunno(["sdfs", "put", idunnoMain, "during"], up.endpoints[0]);
    t.is(put.code, 3, put.err);
    t.regex(put.err, /disk of n3 is full/);
    const status = await idunno(["status", "--check"], up.endpoints[0]);
    t.is(status.code, 6);
    t.regex(status.err, /the disk of n3 is full/);
    t.is(await download(client, "before"), "kept");
    await full.kill("n3", "SIGKILL");
    await up.restart("n3");
    await until("n3 to have room", async () => ((await room("n3")) ?? 0) > 0);
    await putText(client, "after", "taken");
    t.is(await download(client, "after"), "taken");
    t.is((await client.stat("after")).copies, 3);
  },
);
