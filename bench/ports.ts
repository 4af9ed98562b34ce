/** Ports for servers that are not ours and cannot be told to take any free one. */
import { createServer } from "node:net";

const host = "127.0.0.1";
/** Under the range from which systems take outgoing ports; where the search begins is arbitrary. */
const firstPort = 21_000;
const lastPort = 32_000;

/** Ports that nobody listens on at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  const start = firstPort + (process.pid % 1_000) * 10;
  for (let port = start; found.length < count && port < lastPort; port += 1)
    if (await isFree(port)) found.push(port);
  return found;
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}
