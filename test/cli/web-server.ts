/** A web server that lives as long as the test. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionContext } from "ava";

export async function webServer(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const web = createServer(listener);
  await once(web.listen(0, "127.0.0.1"), "listening");
  t.teardown(() => {
    web.close();
    web.closeAllConnections();
  });
  return `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
}
