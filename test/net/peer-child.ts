/**
 * A peer in a process of its own, to be killed: tells its port. With `endAfterConnect` it dials `peer`, asks it
 * something, closes, tells which handles are left, and has to end without being told to.
 */
import { until } from "../until.ts";
import { at, a, b, identity, listen } from "./support.ts";

interface Options {
  readonly boot: string;
  readonly port: number;
  readonly peer?: number;
  readonly endAfterConnect?: boolean;
}

const { boot, port, peer, endAfterConnect } = JSON.parse(process.argv[2] ?? "{}") as Options;
const { network } = await listen({ identity: identity(b, { boot }), port });
process.send?.(network.port);

if (endAfterConnect === true && peer !== undefined) {
  network.setPeers(new Map([[a, at(peer)]]));
  await until("connected", () => network.isConnected(a));
  await network.request(a, "control", "hello", { timeoutMs: 10_000 });
  await network.request(a, "bulk", "hello", { timeoutMs: 10_000 });
  await network.close();
  // Promises and the IPC channel are Node's; sockets and timers would be ours.
  process.send?.(
    process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout|Immediate/.test(kind)),
  );
  process.disconnect();
}
