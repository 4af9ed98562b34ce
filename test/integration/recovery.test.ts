/** What is left when a majority is not, and a node that comes back somewhere else: on real processes. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { DevCluster, DevNodeView } from "../../src/cli/dev/cluster.ts";
import type { MemberView } from "../../src/lib/api/cluster.ts";
import { clientOf, cluster, idunno, idunnoMain, putText, until } from "./support.ts";

function start(
  t: ExecutionContext,
  up: DevCluster,
  node: Pick<DevNodeView, "name" | "peerAddress" | "httpAddress">,
  more: readonly string[] = [],
): void {
  const data = join(up.directory, node.name, "data");
  const flags = ["--name", node.name, "--data-dir", data, "--slots", "1", ...more];
  const places = ["--listen", node.peerAddress, "--http", node.httpAddress];
  const child = spawn(process.execPath, [idunnoMain, "start", ...flags, ...places], {
    stdio: "ignore",
    env: { UV_THREADPOOL_SIZE: "16", ...process.env },
  });
  t.teardown(() => void child.kill("SIGKILL"));
}

async function membersOf(address: string): Promise<readonly MemberView[]> {
  try {
    return await clientOf([address], 2_000).members();
  } catch {
    return [];
  }
}

const allVote = async (address: string): Promise<boolean> => {
  const members = await membersOf(address);
  return (
    members.length === 3 &&
    members.every(({ state, role }) => state === "up" && (role === "voter" || role === "leader"))
  );
};

test.serial(
  "a lone survivor goes on as a new generation, and the others rejoin with their chunks",
  async (t) => {
    t.timeout(180_000);
    const up = await cluster(t, 3);
    await putText(clientOf(up.endpoints), "kept.txt", "kept");
    const [first, ...others] = up.nodes;
    if (first === undefined) throw new Error("no nodes");
    for (const { name } of up.nodes) await up.kill(name, "SIGKILL");
    const data = join(up.directory, first.name, "data");
    const looked = await idunno(["recover", "--data-dir", data, "--inspect", "-o", "json"]);
    t.is(looked.code, 0, looked.err);
    const had = JSON.parse(looked.out) as {
      voters: string[];
      damage: string[];
      generation: number;
    };
    t.deepEqual([had.voters, had.damage, had.generation], [["n1", "n2", "n3"], [], 1]);
    t.is((await idunno(["recover", "--data-dir", data])).code, 2, "not without --yes");
    const recovered = await idunno(["recover", "--data-dir", data, "--yes"]);
    t.is(recovered.code, 0, recovered.err);
    await up.restart(first.name);
    const client = clientOf([first.httpAddress]);
    t.is((await client.status()).generation, 2);
    // One of the old generation is refused, and cannot vote anybody out.
    const [second, third] = others;
    if (second === undefined || third === undefined) throw new Error("three nodes");
    for (const node of [second, third]) start(t, up, node, ["--join", first.httpAddress]);
    await until("three voters", async () => allVote(first.httpAddress), 90_000);
    // Through one that rejoined.
    const again = await idunno(["sdfs", "cat", "kept.txt"], third.httpAddress);
    t.is(again.out, "kept", again.err);
  },
);

test.serial("a node that comes back at another address is found there", async (t) => {
  t.timeout(120_000);
  const up = await cluster(t, 3);
  const client = clientOf(up.endpoints);
  const { leader } = await client.status();
  const moved = up.nodes.find(({ name }) => name !== leader);
  if (moved === undefined || leader === undefined) throw new Error("three nodes");
  await up.kill(moved.name, "SIGKILL");
  const shifted = (address: string): string =>
    address.replace(/\d+$/, (port) => String(Number(port) + 50));
  const peerAddress = shifted(moved.peerAddress);
  start(t, up, { name: moved.name, peerAddress, httpAddress: shifted(moved.httpAddress) });
  const other = up.nodes.find(({ name }) => name === leader)?.httpAddress ?? "";
  await until(
    "it to be up at its new address",
    async () => {
      const member = (await membersOf(other)).find(({ node }) => node === moved.name);
      return member?.state === "up" && member.peerAddress === peerAddress;
    },
    60_000,
  );
  await until("it to be brought forward", async () => {
    const ahead = (await clientOf([other]).status()).commitIndex;
    const there = await clientOf([shifted(moved.httpAddress)]).status();
    return there.ready && there.appliedIndex >= ahead;
  });
  t.pass();
});

test.serial(
  "a directory of another founding is not taken into the cluster of --join",
  async (t) => {
    t.timeout(120_000);
    const up = await cluster(t, 1);
    const [node] = up.nodes;
    if (node === undefined) throw new Error("no node");
    const data = join(up.directory, "newcomer");
    const start = ["start", "--name", "n9", "--data-dir", data, "--slots", "0"];
    // Its founding comes to nothing: the port is taken. What it was to found stays in its directory.
    const places = ["--listen", node.peerAddress, "--http", node.httpAddress];
    const founded = await idunno([...start, ...places, "--bootstrap", `n9=${node.peerAddress}`]);
    t.is(founded.code, 5, founded.err);
    t.regex(founded.err, /PORT_IN_USE/);
    const joined = await idunno([...start, ...places, "--join", node.httpAddress]);
    t.is(joined.code, 5, joined.err);
    t.regex(joined.err, /WRONG_DIRECTORY/);
    t.regex(joined.err, /another --data-dir/);
  },
);
