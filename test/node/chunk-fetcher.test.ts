/** Small chunks from other nodes: together, from few nodes, and from another one where one has not what it should. */
import test from "ava";
import { hasCode, IDunnoError } from "../../src/lib/errors.ts";
import { type ChunkHash, NodeId } from "../../src/lib/types.ts";
import { ChunkFetcher } from "../../src/node/chunk-fetcher.ts";
import type { Peers } from "../../src/node/ports.ts";
import type { StateStore } from "../../src/node/stores/state-store.ts";
import { smallChunksTogether } from "../../src/sdfs/chunks/small-chunks.ts";
import { cluster, hashOf } from "../machine/fixtures.ts";
import { quiet } from "./quiet.ts";

const { signal } = new AbortController();
/** Here a chunk's bytes are its number, twice. */
const contentOf = (n: number): Uint8Array => Uint8Array.of(n, n);

/** n1 of five nodes; who has chunk `n` is said for each. */
class World {
  readonly asked: [node: string, kind: string, hashes: number][] = [];
  /** What a node answers for a chunk; its content where nothing is said. */
  readonly odd = new Map<string, Uint8Array | "absent">();
  readonly down = new Set<string>();
  readonly fetcher: ChunkFetcher;
  readonly #numbers = new Map<ChunkHash, number>();

  constructor(stores: Readonly<Record<number, readonly number[]>>) {
    const replica = cluster(5);
    const rows = new Map<string, unknown>();
    for (const [n, on] of Object.entries(stores)) {
      const hash = hashOf(Number(n));
      rows.set(`chunk/${hash}`, { hash, stores: on.map((node) => `store${node}`) });
      this.#numbers.set(hash, Number(n));
    }
    const peers = {
      isConnected: (node: NodeId) => !this.down.has(node),
      request: async (
        node: NodeId,
        _lane: string,
        request: { kind: string; hash?: ChunkHash; hashes?: ChunkHash[] },
      ) => this.#answer(node, request),
    };
    this.fetcher = new ChunkFetcher({
      self: NodeId("n1"),
      machine: replica.machine,
      state: { get: (key: string) => rows.get(key) } as unknown as StateStore,
      peers: peers as unknown as Peers,
      store: { hash: async ([first = 0, second]) => hashOf(first === second ? first : 99_999) },
      runtime: { soon: (run) => void setImmediate(run) },
      log: quiet,
    });
  }

  #answer(
    node: NodeId,
    { kind, hash, hashes = [] }: { kind: string; hash?: ChunkHash; hashes?: ChunkHash[] },
  ) {
    const wanted = hash === undefined ? hashes : [hash];
    this.asked.push([node, kind, wanted.length]);
    if (this.down.has(node)) throw new IDunnoError("UNREACHABLE", { nodes: [node] });
    const found = wanted.map((each) => {
      const n = this.#numbers.get(each) ?? 0;
      return this.odd.get(`${node} ${n}`) ?? contentOf(n);
    });
    const bytes = found.map((each) => (each === "absent" ? each : each.length));
    const body = Buffer.concat(found.filter((each) => each !== "absent"));
    return { head: hash === undefined ? { bytes } : { found: bytes[0] !== "absent" }, body };
  }

  async small(...numbers: readonly number[]): Promise<number[][]> {
    const all = numbers.map(async (n) => this.fetcher.fetchSmall(hashOf(n), signal));
    return (await Promise.all(all)).map((bytes) => [...bytes]);
  }
}

test("what is wanted in one turn is asked for in one request, if one node has it all", async (t) => {
  const world = new World({ 1: [2, 3, 4, 5], 2: [2, 3, 4, 5], 3: [1, 3, 4, 5] });
  t.deepEqual(await world.small(1, 2, 3), [
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  t.is(world.asked.length, 1);
  t.like(world.asked[0], { 1: "getChunks", 2: 3 });
  t.true(["n3", "n4", "n5"].includes(world.asked[0]?.[0] ?? ""));
});

test("as few nodes as have it all are asked, each for what it has; turns go round", async (t) => {
  const world = new World({ 1: [2], 2: [2, 3], 3: [3], 4: [2] });
  t.deepEqual(
    (await world.small(1, 2, 3, 4)).map(([n]) => n),
    [1, 2, 3, 4],
  );
  t.deepEqual(
    world.asked.toSorted(([a], [b]) => (a < b ? -1 : 1)),
    [
      ["n2", "getChunks", 3],
      ["n3", "getChunks", 1],
    ],
  );
  const even = new World({ 1: [2, 3, 4, 5] });
  for (let i = 0; i < 8; i += 1) await even.small(1);
  t.is(new Set(even.asked.map(([node]) => node)).size, 4);
});

test("one request has as many as a frame has room for, and who wants the same shares it", async (t) => {
  const numbers = Array.from({ length: smallChunksTogether + 1 }, (_, i) => i + 1);
  const world = new World(Object.fromEntries(numbers.map((n) => [n, [2]])));
  t.is((await world.small(...numbers, ...numbers)).length, 2 * numbers.length);
  t.deepEqual(
    world.asked.map(([, , count]) => count),
    [smallChunksTogether, 1],
  );
});

test("what is absent or spoilt on the node that was asked comes from another; the rest of the request counts", async (t) => {
  for (const wrong of ["absent" as const, Uint8Array.of(7, 8)]) {
    const world = new World({ 1: [2, 3], 2: [2, 3] });
    world.odd.set("n2 1", wrong);
    for (let i = 0; i < 2; i += 1)
      t.deepEqual(await world.small(1, 2), [
        [1, 1],
        [2, 2],
      ]);
    const single = world.asked.filter(([, kind]) => kind === "getChunk");
    t.true(single.length > 0, "one of the two rounds asked n2 first");
  }
});

test("a node that does not answer is passed over; what nobody has is unavailable", async (t) => {
  const world = new World({ 1: [2, 3], 2: [2] });
  world.down.add("n2");
  t.deepEqual(await world.small(1), [[1, 1]]);
  const error = await t.throwsAsync(world.small(2));
  t.true(hasCode(error, "CHUNK_UNAVAILABLE"), String(error));
  world.down.delete("n2");
  t.deepEqual(await world.small(2), [[2, 2]], "the failure is not remembered");
});
