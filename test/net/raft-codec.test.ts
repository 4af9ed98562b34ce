/** Raft messages between nodes: every kind comes back as it was, and nothing that a peer sends gets past the check. */
import test from "ava";
import fc from "fast-check";
import { pack, unpack } from "../../src/lib/msgpack.ts";
import { LogIndex, NodeId, Term } from "../../src/lib/types.ts";
import { decodeMessage, encodeMessage } from "../../src/net/raft-codec.ts";
import { encodeConfiguration, simpleConfiguration } from "../../src/raft/configuration.ts";
import type { Entry, Message } from "../../src/raft/types.ts";
import { decodesOrIsMalformed } from "../lib/damage.ts";
import { holds } from "../lib/property.ts";

const from = NodeId("n1");
const to = NodeId("n2");
const count = fc.oneof(fc.nat(100), fc.maxSafeNat());
const index = count.map(LogIndex);
const term = count.map(Term);
const healIndex = fc.option(fc.integer({ min: 1, max: 1e9 }).map(LogIndex), { nil: undefined });
const envelope = { from: fc.constant(from), to: fc.constant(to), term };
const granted = fc.boolean();
const damaged = fc.boolean();
const kind = <K extends Message["kind"]>(name: K) => fc.constant(name);

const configuration = encodeConfiguration(simpleConfiguration([from, to]));
const content = fc.oneof(
  fc.record({
    kind: fc.constantFrom<Entry["kind"]>("noop", "command"),
    data: fc.uint8Array({ maxLength: 20 }),
  }),
  // A copy each time: msgpackr leaves a view on the bytes that it reads.
  fc.constant("configuration" as const).map((of) => ({ kind: of, data: configuration.slice() })),
);
const append: fc.Arbitrary<Message> = fc
  .record({
    term,
    prevIndex: fc.nat(1e9),
    contents: fc.array(content, { maxLength: 4 }),
    prevTerm: term,
    leaderCommit: index,
    healIndex,
  })
  .map(({ contents, prevIndex, ...rest }) => ({
    kind: "append",
    from,
    to,
    ...rest,
    prevIndex: LogIndex(prevIndex),
    entries: contents.map((each, i) => ({
      ...each,
      index: LogIndex(prevIndex + 1 + i),
      term: rest.term,
    })),
  }));

/** By kind, so that none is forgotten. */
const messages: { readonly [K in Message["kind"]]: fc.Arbitrary<Message> } = {
  preVote: fc.record({ kind: kind("preVote"), ...envelope, lastIndex: index, lastTerm: term }),
  preVoteReply: fc.record({ kind: kind("preVoteReply"), ...envelope, granted }),
  vote: fc.record({
    kind: kind("vote"),
    ...envelope,
    lastIndex: index,
    lastTerm: term,
    handover: fc.boolean(),
  }),
  voteReply: fc.record({ kind: kind("voteReply"), ...envelope, granted }),
  append,
  appendReply: fc.record({
    kind: kind("appendReply"),
    ...envelope,
    damaged,
    result: fc.oneof(
      fc.record({ kind: fc.constant("matched" as const), matchIndex: index }),
      fc.record({
        kind: fc.constant("conflict" as const),
        prevIndex: index,
        hintIndex: index,
        hintTerm: term,
      }),
    ),
  }),
  heartbeat: fc.record({
    kind: kind("heartbeat"),
    ...envelope,
    commit: index,
    readPosition: count,
    sentAt: count,
    healIndex,
  }),
  heartbeatReply: fc.record({
    kind: kind("heartbeatReply"),
    ...envelope,
    readPosition: count,
    sentAt: count,
    damaged,
  }),
  snapshotOffer: fc.record({ kind: kind("snapshotOffer"), ...envelope, index, healIndex }),
  timeoutNow: fc.record({ kind: kind("timeoutNow"), ...envelope }),
};
const message = fc.oneof(...Object.values(messages));
const sent = message.map(encodeMessage);
const encoded = sent.map(pack);
const decode = (bytes: Uint8Array): Message => decodeMessage(from, to, unpack(bytes, "message"));
/** Without what msgpackr leaves on the bytes. */
const plain = (given: Message): unknown =>
  given.kind !== "append"
    ? given
    : { ...given, entries: given.entries.map((each) => ({ ...each, data: [...each.data] })) };

test("a message of any kind is read back as sent", (t) => {
  holds(
    t,
    fc.property(message, (given) => {
      t.deepEqual(plain(decode(pack(encodeMessage(given)))), plain(given));
    }),
    500,
  );
});

test("any bytes are a message or MALFORMED", (t) => {
  decodesOrIsMalformed(t, encoded, decode, 3_000);
});

test("any values in a message's place are one or MALFORMED", (t) => {
  const anything = fc.array(fc.oneof(fc.nat(12), fc.jsonValue(), fc.array(fc.jsonValue())), {
    maxLength: 8,
  });
  // Hardly any of those is a message: some that are, so that both ends are always seen.
  const some = fc.oneof({ weight: 9, arbitrary: anything }, { weight: 1, arbitrary: sent });
  decodesOrIsMalformed(t, some.map(pack), decode, 2_000);
});

test("a message that is read is one that can be sent: what it says again is the same", (t) => {
  holds(
    t,
    fc.property(encoded, fc.nat(), fc.nat(255), (bytes, at, byte) => {
      bytes[at % bytes.length] = byte;
      let found: Message;
      try {
        found = decode(bytes);
      } catch {
        return; // the property above judges these
      }
      t.deepEqual(plain(decode(pack(encodeMessage(found)))), plain(found));
    }),
    1_000,
  );
});
