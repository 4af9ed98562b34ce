/** Runs, drawn: what must be seen is there, and what is there can be read. */
import test from "ava";
import fc from "fast-check";
import { holds } from "../../lib/property.ts";
import { example } from "./example.ts";
import { spaceTime } from "./space-time.ts";
import { spaceTimeSvg } from "./space-time-svg.ts";
import { spaceTimeText } from "./space-time-text.ts";
import { timeScale } from "./time-scale.ts";
import type { TraceEvent } from "./trace-event.ts";
import { xmlProblem } from "./well-formed.ts";
import { escapeXml } from "./xml.ts";

const count = (text: string, part: string): number => text.split(part).length - 1;

test("the check of XML knows what is none", (t) => {
  t.is(xmlProblem('<a b="c"><d/>e &amp; f</a>\n'), undefined);
  for (const wrong of [
    "",
    "<a>",
    "<a></b>",
    "<a/><b/>",
    "<a>&</a>",
    "<a>&nbsp;</a>",
    '<a b="<"/>',
    '<a b="1" b="2"/>',
    "<a b=c/>",
    "<a>\u0001</a>",
    "<a>\uD800</a>",
    "text",
  ])
    t.not(xmlProblem(wrong), undefined, wrong);
});

test("the picture is well-formed, needs nothing from elsewhere and runs nothing", (t) => {
  const svg = spaceTimeSvg(example);
  t.is(xmlProblem(svg), undefined);
  t.true(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"'));
  t.notRegex(svg, /<script|<style|<image|href|url\(|@import| on\w+=/);
  t.notRegex(svg, /NaN|Infinity|undefined/);
});

test("the picture has every event in it", (t) => {
  const svg = spaceTimeSvg(example);
  t.is(count(svg, '<g class="message">'), 7);
  t.is(count(svg, '<g class="lost">'), 1);
  for (const [kind, times] of Object.entries({ role: 2, commit: 1, client: 2, fault: 2 }))
    t.is(count(svg, `<g class="${kind}">`), times, kind);
  t.is(count(svg, "<rect x="), 2 + count(svg, 'class="break"') + 3, "bars, breaks, and the legend");
  t.true(svg.includes("n1 → n3 append t2 to 5, sent at 114, lost"));
  t.regex(svg, /<text[^>]*fill="#d00000">R4: n1 commits 6\/2, durable on n1 only<\/text>/);
});

test("red is for the violation alone", (t) => {
  const calm = example.filter(({ kind }) => kind !== "violation");
  // Once in the legend.
  t.is(count(spaceTimeSvg(calm), "#d00000"), 1);
});

test("words of a run cannot break the picture", (t) => {
  const svg = spaceTimeSvg(example);
  t.true(svg.includes("disk says &quot;full&quot; &amp; &lt;stops&gt;"));
  t.is(escapeXml("a\u0000b\uDC00c"), "a\uFFFDb\uFFFDc");
});

test("a violation is told in full, however crowded the place", (t) => {
  const crowd = Array.from({ length: 20 }, (_, n): TraceEvent => {
    return { kind: "fault", at: 10, node: "n1", text: `fault ${n} of many` };
  });
  const text = `R2: ${"n1 and n2 lead term 7 ".repeat(5)}`;
  const svg = spaceTimeSvg([...crowd, { kind: "violation", at: 10, node: "n1", text }]);
  t.true(svg.includes(`>${text}</text>`));
});

test("the text has a line for each event, in the order of time", (t) => {
  const text = spaceTimeText(example);
  const at = (part: string): number => {
    t.is(count(text, part), 1, part);
    return text.indexOf(part);
  };
  const parts = [
    "104  ├──────▶│       │       n1 → n2 vote t2, sent at 100",
    "109  ├───────┼──────▶│       n1 → n3 vote t2, sent at 100",
    "111  │◀──────┤       │       n2 → n1 voteReply t2 granted, sent at 105",
    "111  ◆       │       │       n1 leader of term 2",
    "114  ├───────┼──────✗│       n1 → n3 append t2 to 5, lost",
    "124  ●       │       │       n1 commit 5",
    "130  !       !       !       n1 | n2 n3 cut off",
    "140  ┬       │       │       n1 paused",
    "⋮  1860 ms",
    "2000  ┊       ╳       │       n2 down",
    "2020  ┊       ▲       │       n2 up",
    "2070  ✖       │       │       VIOLATION: n1 R4: n1 commits 6/2, durable on n1 only",
  ].map(at);
  t.deepEqual(
    parts,
    parts.toSorted((a, b) => a - b),
  );
});

test("a line stays a line, whatever is said in it", (t) => {
  const text = spaceTimeText([{ kind: "fault", at: 1, node: "n1", text: "a\nb\tc\u001b[31m" }]);
  t.true(text.includes("n1 a b c [31m\n"));
});

test("a window of time shows what happens in it, and how it found the nodes", (t) => {
  const picture = spaceTime(example, { from: 1_990, to: 2_045 });
  t.deepEqual(
    picture.marks.map(({ kind, at }) => `${kind} ${at}`),
    ["down 2000", "up 2020", "fault 2030"],
  );
  t.deepEqual(
    picture.messages.map(({ sentAt }) => sentAt),
    [2_040],
  );
  t.deepEqual(picture.stretches, [
    { kind: "down", node: "n2", from: 2_000, to: 2_020 },
    { kind: "paused", node: "n1", from: 1_990, to: 2_045 },
  ]);
  t.deepEqual(picture.nodes, ["n1", "n2", "n3"]);
  t.is(picture.hidden, example.length - 4);
  const text = spaceTimeText(example, { from: 1_990, to: 2_045 });
  t.true(text.includes("n2 → n3 vote t3, arrives at 2047"));
  t.true(text.includes(`(${example.length - 4} events`));
});

test("of a long run the last events are enough", (t) => {
  const picture = spaceTime(example, { last: 3 });
  t.deepEqual(
    picture.marks.map(({ kind }) => kind),
    ["resumed", "client", "violation"],
  );
  t.deepEqual([picture.from, picture.to, picture.hidden], [2_060, 2_070, example.length - 3]);
});

test("a node that crashes while it is paused is down until it is up, resumed or not", (t) => {
  const events: readonly TraceEvent[] = [
    { kind: "paused", at: 1, node: "n1" },
    { kind: "down", at: 3, node: "n1" },
    { kind: "resumed", at: 5, node: "n1" },
    { kind: "up", at: 9, node: "n1" },
  ];
  t.deepEqual(spaceTime(events).stretches, [
    { kind: "paused", node: "n1", from: 1, to: 3 },
    { kind: "down", node: "n1", from: 3, to: 9 },
  ]);
});

test("long waits are cut, short ones are in proportion, and order is kept", (t) => {
  const scale = timeScale([5_010, 0, 10, 10, 20, 40]);
  t.is(scale.placeOf(20) - scale.placeOf(10), scale.placeOf(10));
  t.is(scale.placeOf(40) - scale.placeOf(20), 2 * scale.placeOf(10));
  t.deepEqual(
    scale.breaks.map(({ ms }) => ms),
    [4_970],
  );
  t.true(scale.placeOf(5_010) - scale.placeOf(40) < 6 * scale.placeOf(10));
  t.is(scale.length, scale.placeOf(5_010));
});

test("a run without events is drawn, too", (t) => {
  t.is(xmlProblem(spaceTimeSvg([])), undefined);
  t.notRegex(spaceTimeSvg([], { last: 0 }), /NaN|Infinity/);
  t.true(spaceTimeText([]).length > 0);
});

const node = fc.constantFrom("n1", "n2", "n10");
const text = fc.string({ unit: "binary", maxLength: 60 });
const at = fc.nat(5_000);

const anyEvent: fc.Arbitrary<TraceEvent> = fc.oneof(
  fc.record({ kind: fc.constantFrom("role", "commit", "client"), at, node, text }),
  fc.record({ kind: fc.constantFrom("down", "up", "paused", "resumed"), at, node }),
  fc.record({
    kind: fc.constantFrom("fault", "violation"),
    at,
    node: fc.option(node, { nil: undefined }),
    text,
  }),
  fc
    .record({ from: node, to: node, sentAt: at, lasts: fc.option(fc.nat(300)), text })
    .map(({ from, to, sentAt, lasts, text: said }): TraceEvent => {
      const receivedAt = lasts === null ? undefined : sentAt + lasts;
      return { kind: "message", from, to, sentAt, receivedAt, text: said };
    }),
);

test("whatever happens, the picture is well-formed and the same again, in any window", (t) => {
  const bound = fc.option(at, { nil: undefined });
  const window = fc
    .record({ from: bound, to: bound, last: fc.option(fc.nat(30), { nil: undefined }) })
    .filter(({ from = 0, to = Infinity }) => from <= to);
  const property = fc.property(fc.array(anyEvent, { maxLength: 80 }), window, (events, part) => {
    const svg = spaceTimeSvg(events, part);
    t.is(xmlProblem(svg), undefined);
    t.notRegex(svg, /NaN|Infinity/);
    t.is(spaceTimeSvg(events, part), svg);
    const { marks, messages } = spaceTime(events, part);
    const said = spaceTimeText(events, part);
    t.true(count(said, "\n") >= marks.length + messages.length);
  });
  holds(t, property, 100);
});
