/** How long a request may wait: until its time is over or its client has gone. */
import { EventEmitter } from "node:events";
import test from "ava";
import type { FastifyReply, FastifyRequest } from "fastify";
import { hasCode } from "../../../src/lib/errors.ts";
import { requestSignal } from "../../../src/node/http/request.ts";

function asked() {
  const raw = Object.assign(new EventEmitter(), { writableFinished: false });
  const request = { method: "GET", url: "/x", headers: {}, routeOptions: { url: "/x" } };
  const signal = requestSignal(
    request as unknown as FastifyRequest,
    { raw } as unknown as FastifyReply,
  );
  return { raw, signal };
}

test("a client that goes away before its answer ends the wait", (t) => {
  const { raw, signal } = asked();
  t.false(signal.aborted);
  raw.emit("close");
  t.true(signal.aborted);
  t.true(hasCode(signal.reason, "CLOSED"));
});

test("the end of an answer aborts nothing, and leaves nothing running", (t) => {
  const { raw, signal } = asked();
  raw.writableFinished = true;
  raw.emit("close");
  t.false(signal.aborted);
  t.is(raw.listenerCount("close"), 0);
});
