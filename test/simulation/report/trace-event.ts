/** What a run is drawn from. Times are virtual milliseconds. */

export type TraceEvent =
  /** A node took a role: `leader of term 3`. */
  | { readonly kind: "role"; readonly at: number; readonly node: string; readonly text: string }
  | {
      readonly kind: "down" | "up" | "paused" | "resumed";
      readonly at: number;
      readonly node: string;
    }
  | {
      readonly kind: "message";
      readonly from: string;
      readonly to: string;
      readonly sentAt: number;
      /** undefined: it was lost. */
      readonly receivedAt: number | undefined;
      readonly text: string;
    }
  | { readonly kind: "commit"; readonly at: number; readonly node: string; readonly text: string }
  /** Of one node, or of the network. */
  | {
      readonly kind: "fault";
      readonly at: number;
      readonly node?: string | undefined;
      readonly text: string;
    }
  | { readonly kind: "client"; readonly at: number; readonly node: string; readonly text: string }
  | {
      readonly kind: "violation";
      readonly at: number;
      readonly node?: string | undefined;
      readonly text: string;
    };

export type MessageEvent = Extract<TraceEvent, { kind: "message" }>;

/** When an event is first seen. */
export function startOf(event: TraceEvent): number {
  return event.kind === "message" ? event.sentAt : event.at;
}

/** When it is over: a lost message is when it is sent. */
export function endOf(event: TraceEvent): number {
  return event.kind === "message" ? (event.receivedAt ?? event.sentAt) : event.at;
}

export function nodesOf(event: TraceEvent): readonly string[] {
  if (event.kind === "message") return [event.from, event.to];
  return event.node === undefined ? [] : [event.node];
}
