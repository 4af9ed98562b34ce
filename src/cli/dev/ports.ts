/** Finds ports for a local cluster: peers at base + i, HTTP at base + 100 + i, the next base when one is taken. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { IDunnoError } from "../../lib/errors.ts";
import { Scope } from "../../lib/scope.ts";

/** From peer ports to HTTP ports; so at most 99 nodes. */
export const httpOffset = 100;
/** From one base to the next: two clusters never interleave. */
const baseStep = 200;
/** Above are the ports that the system gives to outgoing connections, where a dial can meet itself. */
const highestPort = 32_767;
const lowestPort = 1_024;

/**
 * @param base where to begin; 0: anywhere
 * @returns the first base from there of which every port is free
 * @throws PORT_IN_USE when there is none
 */
export async function freeBase(base: number, nodes: number): Promise<number> {
  const highestBase = highestPort - baseStep;
  // Any: far from the default, so that a person's cluster and a test's stay apart.
  const first = base === 0 ? randomInt(10_000, highestBase - 50 * baseStep) : base;
  for (let candidate = first; candidate <= highestBase; candidate += baseStep)
    if (await allFree(portsFrom(candidate, nodes))) return candidate;
  throw new IDunnoError("PORT_IN_USE", { address: `every range of ports from ${first} on` });
}

export const basePorts = { lowest: lowestPort, highest: highestPort - baseStep } as const;

function portsFrom(base: number, nodes: number): number[] {
  return Array.from({ length: nodes }, (_, i) => [base + i + 1, base + httpOffset + i + 1]).flat();
}

async function allFree(ports: readonly number[]): Promise<boolean> {
  await using servers = new Scope();
  for (const port of ports) {
    const server = createServer();
    try {
      await once(server.listen({ port, host: "127.0.0.1", exclusive: true }), "listening");
    } catch (cause) {
      if (["EADDRINUSE", "EACCES"].includes((cause as NodeJS.ErrnoException).code ?? ""))
        return false;
      throw cause;
    }
    servers.defer(async () => {
      server.close();
      await once(server, "close");
    });
  }
  return true;
}
