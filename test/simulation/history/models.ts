/**
 * What the cluster's settings and files are to a client, one at a time.
 *
 * An answer may only be left out of a history when it says for certain that nothing was changed and never will be.
 * CONFLICT and NOT_FOUND do: they are kept under the request's idempotency key. TOO_FEW_COPIES, STALE_CATALOG and BUSY
 * are not kept, so that an earlier try which is still on its way may yet be carried out; and KEY_EXPIRED says only that
 * nobody remembers. Their outcome is unknown.
 */
import { type Values, unread, withFates } from "./fates.ts";
import type { Model } from "./operation.ts";

export type RegisterInput =
  | { readonly kind: "read" }
  | { readonly kind: "write"; readonly value: string }
  | { readonly kind: "remove" }
  /** Settings have none; it is what the algorithm's literature tests with. */
  | { readonly kind: "cas"; readonly from: string; readonly to: string };

export type RegisterOutput =
  | { readonly kind: "ok" }
  | { readonly kind: "value"; readonly value: string }
  /** Of a read and of a remove: there is no value. */
  | { readonly kind: "not-found" }
  /** Of a cas: the value is another one. */
  | { readonly kind: "conflict" };

/** A setting whose name begins with `x-` (src/machine/settings.ts). */
export const register: Model<string | undefined, RegisterInput, RegisterOutput> = {
  initial: () => undefined,
  keyOf: (state) => (state === undefined ? "" : `=${state}`),
  isRead: ({ kind }, output) => kind === "read" || output.kind !== "ok",
  prepare: (operations) => withFates(operations, registerValues),
  step(state, input, output) {
    const answer = answerOfRegister(state, input);
    if (output !== undefined && !isSameAnswer(answer, output)) return [];
    if (answer.kind !== "ok") return [state];
    switch (input.kind) {
      case "read":
        return [state];
      case "write":
        return [input.value];
      case "remove":
        return [undefined];
      case "cas":
        return [input.to];
    }
  },
};

function answerOfRegister(state: string | undefined, input: RegisterInput): RegisterOutput {
  switch (input.kind) {
    case "read":
      return state === undefined ? { kind: "not-found" } : { kind: "value", value: state };
    case "write":
      return { kind: "ok" };
    case "remove":
      return { kind: state === undefined ? "not-found" : "ok" };
    case "cas":
      return { kind: state === input.from ? "ok" : "conflict" };
  }
}

const registerValues: Values<RegisterInput, RegisterOutput> = {
  written: (input) =>
    input.kind === "write" ? input.value : input.kind === "cas" ? input.to : undefined,
  read: (output) => (output.kind === "value" ? output.value : undefined),
  compared: (input) => (input.kind === "cas" ? input.from : undefined),
  unread: (input) => (input.kind === "write" ? { ...input, value: unread } : input),
  answer: () => ({ kind: "ok" }),
};

function isSameAnswer(a: RegisterOutput, b: RegisterOutput): boolean {
  if (a.kind === "value" && b.kind === "value") return a.value === b.value;
  return a.kind === b.kind;
}

/** A path. Only its newest version is looked at: one that is asked for by number never changes. */
export interface FileState {
  /** The newest number ever given; 0 before the first put. */
  readonly last: number;
  /** What the newest version holds; undefined: there is none, since nothing was put or all was removed. */
  readonly content: string | undefined;
}

export type FileInput =
  /** `ifVersion` is compared with the newest readable version: 0 when there is none, also after a removal. */
  | { readonly kind: "put"; readonly content: string; readonly ifVersion?: number | undefined }
  | { readonly kind: "remove" }
  | { readonly kind: "read" };

export type FileOutput =
  | { readonly kind: "stored"; readonly version: number }
  | { readonly kind: "conflict" }
  /** Without the version: the node looks it up before it proposes, so that another may be removed in the end. */
  | { readonly kind: "removed" }
  /** Without the content when it was only looked up. */
  | { readonly kind: "found"; readonly version: number; readonly content?: string | undefined }
  | { readonly kind: "not-found" };

/** A path of SDFS (src/sdfs/catalog/commit.ts, removal.ts; src/node/files.ts). */
export const fileModel: Model<FileState, FileInput, FileOutput> = {
  initial: () => ({ last: 0, content: undefined }),
  keyOf: ({ last, content }) => (content === undefined ? String(last) : `${last}=${content}`),
  isRead: ({ kind }, output) =>
    kind === "read" || (kind === "put" ? output.kind === "conflict" : output.kind === "not-found"),
  prepare: (operations) => withFates(operations, fileValues),
  step(state, input, output) {
    switch (input.kind) {
      case "put":
        return putFile(state, input, output);
      case "remove": {
        const answer = state.content === undefined ? "not-found" : "removed";
        if (output !== undefined && output.kind !== answer) return [];
        return [{ last: state.last, content: undefined }];
      }
      case "read":
        return output === undefined || isFound(state, output) ? [state] : [];
    }
  },
};

function putFile(
  { last, content: before }: FileState,
  { content, ifVersion }: FileInput & { readonly kind: "put" },
  output: FileOutput | undefined,
): readonly FileState[] {
  const newest = before === undefined ? 0 : last;
  if (ifVersion !== undefined && ifVersion !== newest)
    return output === undefined || output.kind === "conflict" ? [{ last, content: before }] : [];
  const next = { last: last + 1, content };
  switch (output?.kind) {
    case undefined:
    // The node looks at what it has stored before it answers, and somebody may have removed it meanwhile.
    case "not-found":
      return [next];
    case "stored":
      return output.version === next.last ? [next] : [];
    default:
      return [];
  }
}

function isFound({ last, content }: FileState, output: FileOutput): boolean {
  if (output.kind === "not-found") return content === undefined;
  if (output.kind !== "found" || content === undefined || output.version !== last) return false;
  return output.content === undefined || output.content === content;
}

const fileValues: Values<FileInput, FileOutput> = {
  written: (input) => (input.kind === "put" ? input.content : undefined),
  read: (output) => (output.kind === "found" ? output.content : undefined),
  compared: () => undefined,
  unread: (input) => (input.kind === "put" ? { ...input, content: unread } : input),
  answer: (output) =>
    output.kind === "found" ? { kind: "stored", version: output.version } : output,
};
