/**
 * The Raft group as users change it, on real processes: nodes join, vote, hand over and leave, while a client writes
 * without a pause.
 */
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { IDunnoClient } from "../../src/client/client.ts";
import { DevCluster } from "../../src/cli/dev/cluster.ts";
import { clientOf, cluster, daemonLog, idunno, until } from "./support.ts";

/** Writes one setting after the other until it is stopped; then every one of them must be there. */
class Writer {
  readonly #client: IDunnoClient;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  written = 0;

  constructor(nodes: readonly string[]) {
    this.#client = clientOf(nodes, 60_000);
    this.#ended = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const value = String(this.written);
      await this.#client.set(`x-w${this.written % 100}`, value);
      this.written += 1;
      // Who is there changes, so a client that goes on for long looks now and then.
      if (this.written % 20 === 0) await this.#client.members();
      // As a client that has other things to do: the machine is shared by ten daemons.
      await sleep(5);
    }
  }

  /** Fails when any write failed. */
  async stop(t: ExecutionContext): Promise<void> {
    this.#stop.abort();
    await t.notThrowsAsync(this.#ended);
    for (let n = Math.max(0, this.written - 100); n < this.written; n += 1)
      t.is((await this.#client.setting(`x-w${n % 100}`)).value, String(n));
  }
}

async function voters(up: DevCluster): Promise<readonly string[]> {
  const members = await clientOf(up.endpoints).members();
  return members
    .filter(({ role }) => role === "voter" || role === "leader")
    .map(({ node }) => node);
}

async function leaderOf(up: DevCluster): Promise<string> {
  let leader: string | undefined;
  await until("a leader", async () => {
    ({ leader } = await clientOf(up.endpoints).status());
    return leader !== undefined;
  });
  return leader ?? "";
}

test.serial(
  "a node joins, learns, votes, takes the leadership over, hands it on and leaves",
  async (t) => {
    t.timeout(180_000);
    const up = await cluster(t, 3);
    const writer = new Writer(up.endpoints);
    const name = await up.add();
    t.is(name, "n4");
    await until("n4 to vote", async () => (await voters(up)).includes("n4"));
    const taken = await idunno(["leader", "transfer", "n4", "-o", "json"], up.endpoints[0]);
    t.is(taken.code, 0, taken.err);
    t.deepEqual(JSON.parse(taken.out), { leader: "n4" });
    // The leader is removed: it hands over, stops voting, and its process ends by itself.
    const removed = await idunno(["node", "remove", "n4"], up.endpoints[0]);
    t.is(removed.code, 0, removed.err);
    t.false((await voters(up)).includes("n4"));
    await until("n4 to stop", async () =>
      up.nodes.some((node) => node.name === "n4" && node.state === "stopped"),
    );
    await writer.stop(t);
    // Its directory may not come back.
    const reopened = DevCluster.open({ directory: up.directory });
    const start = t.throwsAsync(reopened.restart("n4"));
    await until("n4 to hear that it was removed", async () =>
      (await daemonLog(up, "n4")).includes("n4 was removed from the cluster"),
    );
    // It would wait for ever.
    await reopened.kill("n4", "SIGKILL");
    await start;
  },
);

test.serial("five grow to nine and shrink to three under load, and no write is lost", async (t) => {
  t.timeout(600_000);
  const up = await cluster(t, 5);
  await clientOf(up.endpoints).set("voters", "7");
  const writer = new Writer(up.endpoints);
  for (let n = 6; n <= 9; n += 1) await up.add();
  await until("seven voters", async () => (await voters(up)).length === 7, 120_000);
  // Each of the founders goes once, the leader among them: its place is taken by one that joined.
  for (const name of ["n1", "n2", "n3", "n4", "n5"]) {
    const nodes = up.nodes.filter((node) => node.name !== name && node.state === "running");
    const removed = await idunno(
      ["node", "remove", name, "--timeout", "60s"],
      nodes.map(({ httpAddress }) => httpAddress).join(","),
    );
    t.is(removed.code, 0, removed.err);
    t.false((await voters(up)).includes(name));
  }
  t.deepEqual((await voters(up)).toSorted(), ["n6", "n7", "n8", "n9"]);
  const last = await leaderOf(up);
  const { code, err } = await idunno(["node", "remove", last], up.endpoints.join(","));
  t.is(code, 0, err);
  t.is((await voters(up)).length, 3);
  await writer.stop(t);
  t.log(`${writer.written} writes meanwhile`);
});

test.serial(
  "a leader that is stopped hands over first, and nobody waits for a time-out",
  async (t) => {
    t.timeout(120_000);
    const up = await cluster(t, 3);
    const leader = await leaderOf(up);
    const { term } = await clientOf(up.endpoints).status();
    const writer = new Writer(up.endpoints);
    await until("some writes", async () => writer.written > 20);
    await up.kill(leader, "SIGTERM");
    const next = await leaderOf(up);
    t.not(next, leader);
    const before = writer.written;
    await until("more writes", async () => writer.written > before + 20);
    await writer.stop(t);
    // One election, the one that was asked for.
    t.is((await clientOf(up.endpoints).status()).term, term + 1);
  },
);
