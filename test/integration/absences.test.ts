/** The command line while nodes are missing: a dead leader, no majority, a wiped node. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { clientOf, cluster, idunno, idunnoMain as main, putText, until } from "./support.ts";

let scratch = "";

test.before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "idunno-cli-"));
});

test.after.always(async () => {
  await rm(scratch, { recursive: true, force: true });
});

test.serial(
  "with the leader dead commands go on through any node; without a majority they say so with exit code 3",
  async (t) => {
    t.timeout(120_000);
    const three = await cluster(t, 3);
    const client = clientOf(three.endpoints);
    await putText(client, "a.txt", "");
    const { leader = "" } = await client.status();
    const survivor = three.nodes.find(({ name }) => name !== leader);
    await three.kill(leader, "SIGKILL");
    const now = await idunno(["sdfs", "stat", "a.txt"], survivor?.httpAddress);
    t.is(now.code, 0, now.err);
    const { leader: next = "" } = await client.status();
    const other = three.nodes.find(({ name }) => name !== leader && name !== survivor?.name);
    await three.kill(other?.name ?? next, "SIGKILL");
    await until("the last node to have no leader", async () => {
      return (await clientOf([survivor?.httpAddress ?? ""]).status()).leader === undefined;
    });
    const lost = await idunno(["sdfs", "ls", "--timeout", "8s"], survivor?.httpAddress);
    t.is(lost.code, 3, lost.err);
    t.regex(lost.err, /no leader could be reached/);
    const stale = await idunno(["sdfs", "ls", "--stale"], survivor?.httpAddress);
    t.is(stale.code, 0, stale.err);
    t.regex(stale.out, /a\.txt/);
  },
);

test.serial("a node whose directory was wiped may not come back under its name", async (t) => {
  t.timeout(90_000);
  const three = await cluster(t, 3);
  const client = clientOf(three.endpoints);
  const { leader } = await client.status();
  const victim = three.nodes.find(({ name }) => name !== leader)?.name ?? "";
  const address = three.nodes.find(({ name }) => name === victim);
  await three.kill(victim, "SIGKILL");
  await rm(join(three.directory, victim, "data"), { recursive: true });
  const list = three.nodes.map(({ name, peerAddress }) => `${name}=${peerAddress}`).join(",");
  const child = spawn(
    process.execPath,
    [
      main,
      "start",
      "--name",
      victim,
      "--data-dir",
      join(scratch, "wiped"),
      "--listen",
      address?.peerAddress ?? "",
      "--http",
      address?.httpAddress ?? "",
      "--bootstrap",
      list,
    ],
    { stdio: "ignore", env: { ...process.env, UV_THREADPOOL_SIZE: "16" } },
  );
  t.teardown(() => void child.kill("SIGKILL"));
  const wiped = clientOf([address?.httpAddress ?? ""], 10_000);
  await until("the wiped node to run", async () => {
    try {
      await wiped.status();
      return true;
    } catch {
      return false;
    }
  });
  // Of the leader alone: the wiped node, which answers too, knows of no term.
  const leading = three.nodes.find(({ name }) => name === leader)?.httpAddress ?? "";
  const termOf = async (): Promise<number> => (await clientOf([leading]).pinned().status()).term;
  const before = await termOf();
  await t.throwsAsync(clientOf([address?.httpAddress ?? ""], 3_000).members());
  t.is((await wiped.status()).ready, false);
  const members = await clientOf([leading]).members();
  t.is(members.find(({ node }) => node === victim)?.state, "down");
  t.is(await termOf(), before, "and it disturbs nobody");
});
