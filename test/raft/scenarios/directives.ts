/** What a scenario can say about a group: one function for each directive. */
import { LogIndex, NodeId } from "../../../src/lib/types.ts";
import type { Steered } from "../../../src/raft/options.ts";
import type { Entry, Message } from "../../../src/raft/types.ts";
import { addNodes } from "./cast.ts";
import { type Directive, number, one, parseChanges } from "./directive.ts";
import { type Player, scenarioTimings } from "./player.ts";
import { renderEntries, renderMessage } from "./render.ts";
import type { Play } from "./runner.ts";
import { Stage } from "./stage.ts";

type Act = (stage: Stage, directive: Directive) => void;

/** The messages to the nodes named, by sender and kind; there must be some. */
function choose(
  stage: Stage,
  { words, options }: Directive,
  to: readonly string[] = words,
): readonly Message[] {
  const [from] = options.get("from") ?? [];
  const [kind] = options.get("kind") ?? [];
  const [count] = options.get("count") ?? [];
  return to.flatMap((id) => {
    const found = stage.chosen({ to: id, from, kind });
    if (found.length === 0) throw new Error(`nothing like it is on its way to ${id}`);
    return found.slice(0, count === undefined ? undefined : Number(count));
  });
}

/** Those that are named, or all. */
const players = (stage: Stage, { words }: Directive): readonly Player[] =>
  words.length === 0 ? [...stage.players.values()] : words.map((id) => stage.player(id));

const player = (stage: Stage, { words }: Directive): Player => stage.player(words[0] ?? "");

function tick(stage: Stage, who: Player): void {
  stage.step(who, { kind: "tick" });
}

function tickElection(stage: Stage, directive: Directive): void {
  for (const who of players(stage, directive)) {
    const { role, deadline } = who.core;
    // A leader's own deadline is its heartbeat; past an election time-out it also asks whether it has a quorum.
    stage.now =
      role.kind === "leader"
        ? stage.now + scenarioTimings.electionMinMs + 1
        : Math.max(stage.now, deadline);
    tick(stage, who);
  }
}

function elect(stage: Stage, directive: Directive): void {
  stage.isQuiet = true;
  tickElection(stage, directive);
  stage.stabilize([...stage.players.keys()]);
  stage.isQuiet = false;
  // How elections go, campaign.txt tells.
  for (const line of stage.takeLines()) if (line.includes(" leader, ")) stage.say(line);
}

function steer(stage: Stage, who: Player, action: (now: number) => Steered): void {
  const steered = action(stage.now);
  if (steered.kind === "refused") stage.say(`refused: ${steered.why}`);
  if (steered.kind === "notLeader") stage.say(`refused: ${steered.leader ?? "nobody"} leads`);
  stage.settle(who);
}

function propose(stage: Stage, directive: Directive): void {
  const [id = "", ...texts] = directive.words;
  const who = stage.player(id);
  const turns = directive.options.has("turn") ? [directive.options.get("turn") ?? []] : [];
  for (const turn of [...turns, ...texts.map((text) => [text])]) {
    const data = turn.map((text) => new TextEncoder().encode(text));
    const proposed = who.core.propose(data, stage.now);
    if (proposed.kind === "notLeader") stage.say(`refused: ${proposed.leader ?? "nobody"} leads`);
    else if (proposed.kind === "handingOver") stage.say(`refused: handing over to ${proposed.to}`);
    else if (proposed.kind !== "accepted") stage.say(`refused: ${proposed.kind}`);
    stage.settle(who);
  }
}

function change(stage: Stage, { words }: Directive): void {
  const [id = "", transition, ...texts] = words;
  const who = stage.player(id);
  if (transition !== "auto" && transition !== "implicit" && transition !== "explicit")
    throw new Error(`${transition} is no transition`);
  const changes = parseChanges(texts);
  steer(stage, who, (now) => who.core.changeConfiguration({ changes, transition }, now));
}

/** `partition n1,n2 n3`: what is on its way between the parts is lost as well. */
function partition(stage: Stage, { words }: Directive): void {
  const parts = words.map((part) => part.split(","));
  for (const part of parts)
    for (const other of parts)
      if (part !== other)
        for (const from of part) for (const to of other) stage.cut.add(`${from}>${to}`);
  stage.take(stage.wire.filter(({ from, to }) => stage.cut.has(`${from}>${to}`)));
}

/** `snapshot n3 from=n1 [index=4]`: n1's state, complete on n3's disk; unless told otherwise, as of what n1 applied. */
function snapshot(stage: Stage, directive: Directive): void {
  const source = stage.player(one(directive, "from") ?? "");
  const index = LogIndex(number(directive, "index") ?? source.applied);
  const { base } = source.core;
  const term = index === base.index ? base.term : source.core.entries(index, 0)[0]?.term;
  if (term === undefined || index > source.applied)
    throw new Error(`${source.id} has no state as of ${index}`);
  const { configuration } = source.core.configurationAsOf(index);
  stage.step(player(stage, directive), {
    kind: "snapshotStaged",
    snapshot: { index, term, configuration },
  });
}

function compact(stage: Stage, directive: Directive): void {
  const who = player(stage, directive);
  const index = Number(directive.words[1]);
  if (index > who.applied) throw new Error("only what is applied can be compacted");
  who.disk.compact(index);
  stage.step(who, { kind: "compacted", base: who.disk.base });
}

function status(stage: Stage, directive: Directive): void {
  for (const [peer, view] of player(stage, directive).core.peers) {
    const { state, matchIndex, inflight, damaged } = view;
    const rest = `${inflight > 0 ? ` inflight ${inflight}` : ""}${damaged ? " damaged" : ""}`;
    stage.say(`${peer} ${state} match ${matchIndex}${rest}`);
  }
}

function log(stage: Stage, directive: Directive): void {
  for (const { id, raft } of players(stage, directive)) {
    if (raft === undefined) continue;
    const entries: Entry[] = [];
    // What is on the disk and what is in memory come apart.
    for (let last = raft.base.index; last < raft.lastIndex; last = entries.at(-1)?.index ?? last)
      entries.push(...raft.entries(LogIndex(last + 1), Number.POSITIVE_INFINITY));
    stage.say(`${id} ${renderEntries(entries)}`);
  }
}

function stabilize(stage: Stage, directive: Directive): void {
  stage.stabilize(
    players(stage, directive).map(({ id }) => id),
    directive.options.get("kinds"),
  );
}

/** `hold late n1 from=n2 kind=voteReply` takes them off the wire, `copy` leaves them; `release late` puts them there. */
function putAside(stage: Stage, directive: Directive): readonly Message[] {
  const [name = "", to] = directive.words;
  const messages = choose(stage, directive, to === undefined ? [] : [to]);
  stage.aside.set(name, [...messages]);
  return messages;
}

const acts: Readonly<Record<string, Act>> = {
  nodes: addNodes,
  "tick-election": tickElection,
  "tick-heartbeat": (stage, directive) => {
    stage.now += scenarioTimings.heartbeatMs;
    tick(stage, player(stage, directive));
  },
  /** `pulse ms=600`: time passes with heartbeats and all that comes of them, and nobody's patience ends. */
  pulse: (stage, directive) => {
    const until = stage.now + (number(directive, "ms") ?? 0);
    stage.isQuiet = true;
    while (stage.now < until) {
      stage.now += scenarioTimings.heartbeatMs;
      for (const who of stage.players.values())
        if (who.raft?.role.kind === "leader") tick(stage, who);
      stage.stabilize([...stage.players.keys()]);
    }
    stage.isQuiet = false;
  },
  /** Time passes; who is named notices. */
  advance: (stage, directive) => {
    stage.now += number(directive, "ms") ?? 0;
    if (directive.words.length > 0) for (const who of players(stage, directive)) tick(stage, who);
  },
  elect,
  propose,
  change,
  "leave-joint": (stage, directive) => {
    const who = player(stage, directive);
    steer(stage, who, (now) => who.core.leaveJoint(now));
  },
  "hand-over": (stage, directive) => {
    const who = player(stage, directive);
    const [, to] = directive.words;
    steer(stage, who, (now) => who.core.handOver(to === undefined ? undefined : NodeId(to), now));
  },
  read: (stage, directive) => {
    const who = player(stage, directive);
    who.core.read(Number(directive.words[1]), stage.now);
    stage.settle(who);
  },
  compact,
  snapshot,
  write: (stage, directive) => {
    const who = player(stage, directive);
    const count = directive.words[1] === "all" ? who.writing.length : 1;
    for (let done = 0; done < count; done += 1) stage.completeWrite(who);
  },
  deliver: (stage, directive) => {
    for (const message of choose(stage, directive)) stage.deliver(message);
  },
  drop: (stage, directive) => {
    stage.take(choose(stage, directive));
  },
  hold: (stage, directive) => {
    stage.take(putAside(stage, directive));
  },
  copy: (stage, directive) => {
    putAside(stage, directive);
  },
  /** `release late to=n7`: to another node than the one it was meant for. */
  release: (stage, directive) => {
    const [name = ""] = directive.words;
    const to = one(directive, "to");
    // New objects, so that a copy is a message of its own.
    for (const message of stage.aside.get(name) ?? [])
      stage.wire.push({ ...message, to: to === undefined ? message.to : NodeId(to) });
  },
  links: (stage) => {
    for (const message of stage.wire)
      stage.say(`${message.from} > ${message.to} ${renderMessage(message)}`);
  },
  stabilize,
  partition,
  cut: (stage, { words }) => {
    for (const link of words) stage.cut.add(link);
    stage.take(stage.wire.filter(({ from, to }) => stage.cut.has(`${from}>${to}`)));
  },
  heal: (stage) => {
    stage.cut.clear();
  },
  crash: (stage, directive) => {
    for (const who of players(stage, directive)) {
      who.crash();
      stage.take(stage.wire.filter(({ to }) => to === who.id));
    }
  },
  restart: (stage, { words: [id = "", how] }) => {
    const who = stage.player(id);
    who.crash();
    who.start(stage.now, how === "damaged");
    stage.settle(who);
  },
  "peer-died": (stage, { words: [id = "", peer = ""] }) => {
    stage.step(stage.player(id), { kind: "peerDied", peer: NodeId(peer) });
  },
  unreachable: (stage, { words: [id = "", peer = ""] }) => {
    stage.step(stage.player(id), { kind: "unreachable", peer: NodeId(peer) });
  },
  storage: (stage, directive) => {
    const full = directive.words[1] === "full";
    stage.step(player(stage, directive), { kind: "storage", full });
  },
  state: (stage, directive) => {
    for (const who of players(stage, directive)) stage.say(stage.describe(who));
  },
  log,
  status,
};

/** A fresh stage, and the way to play on it. `quiet` before a directive: only what it decides is told. */
export function playGroup(): Play {
  const stage = new Stage();
  return (directive) => {
    const isQuiet = directive.name === "quiet";
    const [first = "", ...rest] = directive.words;
    const { name, words } = isQuiet ? { name: first, words: rest } : directive;
    const act = acts[name];
    if (act === undefined) throw new Error("no such directive");
    stage.isQuiet = isQuiet;
    act(stage, { ...directive, name, words });
    stage.isQuiet = false;
    return stage.takeLines();
  };
}
