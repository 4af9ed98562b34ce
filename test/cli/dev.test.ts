/** Local clusters: started and found again, and never a stranger's process harmed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { DevCluster, type DevClusterOptions } from "../../src/cli/dev/cluster.ts";
import { freeBase } from "../../src/cli/dev/ports.ts";
import {
  isRunning,
  processIdentity,
  signalProcess,
  startOf,
  untilEnded,
} from "../../src/cli/dev/process-identity.ts";
import { nodesOfDevCluster, readDevState, writeDevState } from "../../src/cli/dev/state.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { idunno } from "./world.ts";

const command = [process.execPath, fileURLToPath(new URL("fake-daemon.js", import.meta.url))];

/** A folder, and whatever cluster is in it, gone at the end. */
class Place implements AsyncDisposable {
  readonly directory: string;
  readonly notes: string[] = [];

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** What the cluster said of a daemon that ended is shown when the test has failed. */
  static async make(t: ExecutionContext): Promise<Place> {
    const place = new Place(await mkdtemp(join(tmpdir(), "idunno-dev-")));
    t.teardown(() => {
      if (!t.passed) t.log(place.notes.join("\n"));
    });
    return place;
  }

  get options(): DevClusterOptions {
    const note = (text: string): unknown => this.notes.push(text);
    return {
      directory: this.directory,
      nodes: 2,
      basePort: 0,
      command,
      note: (text) => void note(text),
    };
  }

  async starts(name: string): Promise<{ bootstrap?: string; threads: string }[]> {
    const text = await readFile(join(this.directory, name, "data/starts"), "utf8");
    return text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { bootstrap?: string; threads: string });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (readDevState(this.directory) !== undefined)
      await DevCluster.open({ directory: this.directory }).down({ stopMs: 0 });
    await rm(this.directory, { recursive: true });
  }
}

test.serial("a cluster is started, found again, hurt, healed and stopped", async (t) => {
  await using place = await Place.make(t);
  const started = await DevCluster.up(place.options);
  t.deepEqual(
    started.nodes.map(({ name, state }) => `${name} ${state}`),
    ["n1 running", "n2 running"],
  );
  t.deepEqual(nodesOfDevCluster(place.directory), started.endpoints);
  const [first] = await place.starts("n2");
  t.regex(first?.bootstrap ?? "", /^n1=127\.0\.0\.1:\d+,n2=127\.0\.0\.1:\d+$/);
  t.is(first?.threads, process.env["UV_THREADPOOL_SIZE"] ?? "16");
  t.regex(await readFile(join(place.directory, "n2/daemon.log"), "utf8"), /n2 starts/);

  t.true(hasCode(await t.throwsAsync(DevCluster.up(place.options)), "CONFLICT"));

  const found = DevCluster.open(place.options);
  await found.kill("n2");
  t.is(started.nodes[1]?.state, "stopped");
  t.is(found.endpoints.length, 1);
  t.true(hasCode(await t.throwsAsync(found.kill("n2")), "CONFLICT"));
  t.true(hasCode(await t.throwsAsync(found.kill("n9")), "NOT_FOUND"));

  await found.restart("n2");
  // Whoever holds data goes on with them; to bootstrap again would be to forget.
  t.deepEqual(
    (await place.starts("n2")).map(({ bootstrap }) => bootstrap !== undefined),
    [true, false],
  );
  const again = DevCluster.open({ directory: place.directory });
  t.is(again.endpoints.length, 2);

  await again.kill("n1", "SIGSTOP");
  t.is(again.nodes[0]?.state, "running");
  await again.down();
  t.deepEqual(again.endpoints, []);
  t.deepEqual(nodesOfDevCluster(place.directory), []);

  const revived = await DevCluster.up({ ...place.options, nodes: undefined });
  t.deepEqual(
    revived.endpoints,
    started.nodes.map(({ httpAddress }) => httpAddress),
  );
  t.is((await place.starts("n1")).at(-1)?.bootstrap, undefined);
  t.regex(place.notes.join(), /going on with the 2 nodes/);
  await revived.down({ wipe: true });
  t.is(readDevState(place.directory), undefined);
});

test.serial(
  "a daemon that fails takes the beginning down, shows its log and leaves no cluster",
  async (t) => {
    await using place = await Place.make(t);
    process.env["FAKE_DAEMON"] = "n2 fails";
    try {
      const error = await t.throwsAsync(DevCluster.up(place.options));
      t.regex(error?.message ?? "", /n2 ended while it was starting/);
    } finally {
      delete process.env["FAKE_DAEMON"];
    }
    t.regex(place.notes.join("\n"), /the log of n2 ends with\nn2 starts\nthe disk is on fire/);
    t.is(readDevState(place.directory), undefined);
    await t.throwsAsync(readFile(join(place.directory, "n1/data/starts")));
    const second = await DevCluster.up(place.options);
    t.is(second.endpoints.length, 2);
  },
);

test.serial("a daemon that does not heed SIGTERM is killed", async (t) => {
  await using place = await Place.make(t);
  process.env["FAKE_DAEMON"] = "stubborn";
  try {
    const cluster = await DevCluster.up({ ...place.options, nodes: 1 });
    await cluster.down({ stopMs: 50 });
    t.deepEqual(cluster.endpoints, []);
  } finally {
    delete process.env["FAKE_DAEMON"];
  }
});

test("a process that got a number again is not the one remembered", async (t) => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  const pid = child.pid ?? 0;
  const identity = processIdentity(pid) ?? "";
  const stranger = { pid, identity: `${identity}0` };
  t.true(isRunning({ pid, identity }));
  t.false(isRunning(stranger));
  t.false(signalProcess(stranger, "SIGKILL"));
  const timedOut = await t.throwsAsync(untilEnded({ pid, identity }, { withinMs: 20 }));
  t.true(hasCode(timedOut, "TIMED_OUT"));
  t.true(signalProcess({ pid, identity }, "SIGKILL"));
  await once(child, "exit");
  t.is(processIdentity(pid), undefined);
});

test("a process has ended when its last thread has: until then its ports are taken", (t) => {
  const line = (state: string, threads: number): string =>
    `7 (a (b) c) ${state} 1 7 7 0 -1 4194304 0 0 0 0 12 3 0 0 20 0 ${threads} 0 8151 0 0`;
  t.is(startOf(line("S", 11)), "8151");
  t.is(startOf(line("Z", 3)), "8151");
  t.is(startOf(line("Z", 1)), undefined);
  t.is(startOf(line("Z", 0)), undefined);
  t.is(startOf(line("X", 0)), undefined);
});

test("a base whose ports are taken is passed over", async (t) => {
  const taken = createServer();
  const base = await freeBase(0, 2);
  await once(taken.listen(base + 102, "127.0.0.1"), "listening");
  t.is((taken.address() as AddressInfo).port, base + 102);
  t.true((await freeBase(base, 2)) > base);
  taken.close();
  await once(taken, "close");
  t.is(await freeBase(base, 2), base);
});

test("dev.json is checked: what is not one is MALFORMED and named", async (t) => {
  await using place = await Place.make(t);
  t.is(readDevState(place.directory), undefined);
  const state = {
    format: 1 as const,
    slots: 1,
    nodes: [{ name: "n1", peerPort: 7101, httpPort: 7201 }],
  };
  await writeDevState(place.directory, state);
  t.deepEqual(readDevState(place.directory), state);
  for (const bad of [
    "{",
    "[]",
    JSON.stringify({ ...state, more: 1 }),
    JSON.stringify({ ...state, format: 2 }),
  ]) {
    await writeFile(join(place.directory, "dev.json"), bad);
    const error = t.throws(() => readDevState(place.directory));
    t.true(hasCode(error, "MALFORMED"), bad);
    t.regex(error?.message ?? "", /dev\.json/);
  }
  await rm(join(place.directory, "dev.json"));
});

test("dev ls shows the nodes, and without a cluster says how to start one", async (t) => {
  await using place = await Place.make(t);
  const options = { directory: place.directory };
  const none = await idunno(["dev", "ls"], options);
  t.is(none.code, 4);
  t.regex(none.err, /start one with 'idunno dev up'/);
  await mkdir(join(place.directory, ".idunno"));
  await writeDevState(join(place.directory, ".idunno"), {
    format: 1,
    slots: 1,
    nodes: [{ name: "n1", peerPort: 7101, httpPort: 7201 }],
  });
  t.is(
    (await idunno(["dev", "ls", "-o", "csv"], options)).out,
    "node,state,pid,http,peer\nn1,stopped,,127.0.0.1:7201,127.0.0.1:7101\n",
  );
  t.is((await idunno(["dev", "kill", "n1", "--signal", "kill"], options)).code, 5);
  t.is((await idunno(["dev", "kill", "n1", "--signal", "SIGNONE"], options)).code, 2);
});
