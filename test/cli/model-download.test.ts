/** Fetching a network from the web. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { download, downloadLimits } from "../../src/cli/model/download.ts";
import { hasCode } from "../../src/lib/errors.ts";
import { webServer } from "./web-server.ts";

test("a download is bounded in bytes, redirects and silence, and leaves nothing behind", async (t) => {
  const web = await webServer(t, (request, response) => {
    if (request.url === "/round") response.writeHead(302, { location: "/round" }).end();
    else if (request.url === "/away")
      response.writeHead(302, { location: "file:///etc/passwd" }).end();
    else if (request.url === "/long") response.writeHead(200, { "content-length": 1_000 }).end();
    else if (request.url === "/endless") response.write("0123456789".repeat(2));
    else if (request.url === "/none") response.writeHead(404).end("no");
    else response.writeHead(200).write("a");
  });
  const into = await mkdtemp(join(tmpdir(), "idunno-test-download-"));
  t.teardown(async () => rm(into, { recursive: true, force: true }));
  const fetched = async (path: string, limits = {}): Promise<unknown> => {
    try {
      const wanted = { url: `${web}/${path}`, name: "m", sha256: "0".repeat(64), into };
      await download(wanted, new AbortController().signal, { ...downloadLimits, ...limits });
      return "downloaded";
    } catch (error) {
      return error;
    }
  };
  t.regex(String(await fetched("round")), /redirects more than 5 times/);
  t.regex(String(await fetched("away")), /leads to file:.*not on the web/);
  t.regex(String(await fetched("none")), /HTTP status 404/);
  t.true(hasCode(await fetched("long", { bytes: 999 }), "TOO_LARGE"));
  t.true(hasCode(await fetched("endless", { bytes: 15 }), "TOO_LARGE"));
  t.true(hasCode(await fetched("silent", { silentMs: 50 }), "TIMED_OUT"));
  t.true(hasCode(await fetched("silent", { withinMs: 50 }), "TIMED_OUT"));
  t.deepEqual(await readdir(into), []);
  const gone = { url: "http://127.0.0.1:1/x", name: "m", sha256: "0".repeat(64) };
  const error = await t.throwsAsync(download(gone, new AbortController().signal));
  t.regex(error?.message ?? "", /ECONNREFUSED|bad port/);
});
