/**
 * Stands in for `idunno start` in tests of `idunno dev`: takes the same options, answers GET /v1/status, remembers in its
 * data directory how it was started, and ends on SIGTERM. FAKE_DAEMON tells one of them to fail.
 */
import { appendFileSync, existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    name: { type: "string", default: "" },
    "data-dir": { type: "string", default: "" },
    listen: { type: "string", default: "" },
    http: { type: "string", default: "" },
    slots: { type: "string", default: "" },
    bootstrap: { type: "string" },
  },
});
const { name, http } = values;
const directory = values["data-dir"];
process.stdout.write(`${name} starts\n`);
if (process.env["FAKE_DAEMON"] === `${name} fails`) {
  process.stderr.write("the disk is on fire\n");
  process.exit(3);
}
if (values.bootstrap === undefined && !existsSync(directory)) process.exit(4);
mkdirSync(directory, { recursive: true });
const line = { bootstrap: values.bootstrap, threads: process.env["UV_THREADPOOL_SIZE"] };
appendFileSync(join(directory, "starts"), `${JSON.stringify(line)}\n`);

let asked = 0;
const server = createServer((_request, response) => {
  asked += 1;
  response.setHeader("content-type", "application/json");
  response.end(
    JSON.stringify({
      cluster: "c",
      generation: 1,
      node: name,
      version: "0",
      role: "follower",
      term: 1,
      commitIndex: 1,
      appliedIndex: 1,
      lastIndex: 1,
      logTimeMs: 1,
      // Not at the first look.
      ready: asked > 1,
      members: [],
      jobs: { running: 0, paused: 0, ended: 0 },
      executor: { slots: Number(values.slots), running: 0, queued: 0 },
      store: {
        id: "s1",
        isFull: false,
        scrub: { isRunning: false, chunks: 0, bytes: 0, damaged: 0, passes: 0 },
      },
      loopDelayMsP99: 1,
      residentBytes: 1,
      uptimeMs: 1,
    }),
  );
});
const [host = "", port = ""] = http.split(":");
server.listen(Number(port), host);
// A stubborn one has to be killed.
process.on("SIGTERM", () => {
  if (process.env["FAKE_DAEMON"] !== "stubborn") process.exit(0);
});
