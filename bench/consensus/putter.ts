/** What the load generator drives: one connection to a system under test, over which it may put many values at once. */

export interface Putter extends AsyncDisposable {
  /** Writes the value under one of {@link keys} keys; resolves when the cluster has committed it. */
  put(key: number): Promise<void>;
}

/** Where the values go. All plain data: it is sent to the process that makes the load. */
export type Target =
  | {
      /** The peer protocol to the leader, as a node that forwards its clients' commands speaks it. */
      readonly kind: "idunno-peer";
      readonly host: string;
      readonly port: number;
      readonly leader: string;
      readonly cluster: string;
      readonly generation: number;
    }
  | { readonly kind: "idunno-http"; readonly host: string; readonly port: number }
  | { readonly kind: "etcd"; readonly host: string; readonly port: number };

/** Different keys that are written, so that neither side has only one row to keep. Arbitrary. */
export const keys = 1_000;
/** As in etcd's own benchmark. */
export const valueBytes = 256;

export const value = "v".repeat(valueBytes);

export function keyName(key: number): string {
  return `x-bench-${key % keys}`;
}
