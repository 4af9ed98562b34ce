/** The grammar of scenarios: `name word word option=value option=(a,b)`. */
import { NodeId } from "../../../src/lib/types.ts";
import type { ConfigurationChange } from "../../../src/raft/configuration.ts";

/** A directive taken apart: `change n1 auto +n4 at=(a,b)` has the words n1, auto, +n4 and one option. */
export interface Directive {
  readonly name: string;
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, readonly string[]>;
}

export function parseDirective(line: string): Directive {
  const [name = "", ...rest] = line.split(/\s+(?![^(]*\))/);
  const words: string[] = [];
  const options = new Map<string, readonly string[]>();
  for (const word of rest) {
    const equals = word.indexOf("=");
    if (equals < 0) words.push(word);
    else options.set(word.slice(0, equals), list(word.slice(equals + 1)));
  }
  return { name, words, options };
}

/** `(a,b)` or `a`. */
function list(value: string): readonly string[] {
  const inner = value.startsWith("(") ? value.slice(1, -1) : value;
  return inner === "" ? [] : inner.split(/\s*,\s*/);
}

/** An option's only value. */
export const one = ({ options }: Directive, name: string): string | undefined =>
  options.get(name)?.[0];

export const number = (directive: Directive, name: string): number | undefined => {
  const text = one(directive, name);
  return text === undefined ? undefined : Number(text);
};

function parseChange(text: string): ConfigurationChange {
  const node = NodeId(text.slice(1));
  if (text.startsWith("+")) return { kind: "addVoter", node };
  if (text.startsWith("~")) return { kind: "addLearner", node };
  if (text.startsWith("-")) return { kind: "remove", node };
  throw new Error(`${text} is no change: +voter, ~learner or -removed`);
}

/** Several words to come, each with its sign. */
export const parseChanges = (words: readonly string[]): readonly ConfigurationChange[] =>
  words.map(parseChange);
