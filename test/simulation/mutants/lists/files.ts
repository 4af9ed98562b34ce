/** Mistakes in SDFS (src/sdfs/catalog, src/node), for the simulator of whole nodes. */
import { type Mutant, mutants } from "../mutant.ts";

const collection = mutants({ file: "src/sdfs/catalog/collection.ts", world: "cluster" }, [
  {
    name: "collected-under-a-job",
    bug: "G1: a removed version is collected while a job that found it runs",
    find: "removalIndex(id) > oldestResolution",
    replace: "removalIndex(id) > oldestResolution + Infinity",
  },
  {
    name: "pin-ignored",
    bug: "G1: what a model or a job pins is collected when its file was removed",
    find: "if ([...distinct].some((hash) => pinned.has(hash))) continue;",
    replace: "if (pinned.size > named.size) continue;",
  },
  {
    name: "named-chunk-forgotten",
    bug: "G2: a chunk that was garbage is forgotten though a version names it again (early prune)",
    find: "if (chunk?.references === 0) forgetChunk(rows, chunk);",
    replace: "if (chunk !== undefined) forgetChunk(rows, chunk);",
  },
  {
    name: "counted-copy-dropped",
    bug: "G3: a node deletes a chunk that the catalog counts on",
    find: "(hash) => held.get(rows, heldId(store, ChunkHash(hash))) === undefined,",
    replace: "(hash) => held.get(rows, heldId(store, ChunkHash(hash))) !== 0,",
  },
  {
    name: "drop-voids-nothing",
    bug: "G3: collection races a commit: a drop leaves earlier acknowledgements valid",
    find: "dropped.put(rows, heldId(store, ChunkHash(hash)), index);",
    replace: "dropped.put(rows, heldId(store, ChunkHash(hash)), 0 * index);",
  },
]);

const acknowledgement = mutants({ file: "src/node/chunk-service.ts", world: "cluster" }, [
  {
    name: "acknowledged-as-of-the-end",
    bug: "G3: an acknowledgement is as of its end, and a drop between is not noticed",
    find: "return (await this.#ports.store.has(hash)) ? index : undefined;",
    replace:
      "return (await this.#ports.store.has(hash)) ? Math.max(index, this.#index) : undefined;",
  },
]);

const sweeping = mutants({ file: "src/node/sweeper.ts", world: "cluster" }, [
  {
    name: "freed-files-stay",
    bug: "what the catalog lets go of is never deleted, and disks fill up",
    find: "if (here.length > 0) await this.#delete(here);",
    replace: "if (here.length > chunksPerMove) await this.#delete(here);",
  },
]);

const commit = mutants({ file: "src/sdfs/catalog/commit.ts", world: "cluster" }, [
  {
    name: "too-few-copies-will-do",
    bug: "C4: a version becomes visible with one copy",
    find: "if (copies < context.requiredCopies)",
    replace: "if (copies < 1)",
    seenBy: "an acknowledged file is readable after any three losses",
  },
  {
    name: "lost-stores-count",
    bug: "C4: a copy on a store that was replaced counts",
    find: '?.state === "active"',
    replace: " !== undefined",
    seenBy: "copies on live stores, counted from the disks",
  },
  {
    name: "references-not-counted",
    bug: "C2: a chunk that files share is repaired for nobody",
    find: "known.references + (seen.has(hash) ? 0 : 1)",
    replace: "known.references",
    seenBy: "C2 on the rows; copies after a loss",
  },
  {
    name: "version-number-again",
    bug: "C3: a removed file's number is given again, and a job that pinned it reads another one",
    find: "(known?.last ?? 0) + 1",
    replace: "(known?.versions.at(-1) ?? 0) + 1",
    seenBy: "C3: one (path, version) has one content for ever",
  },
  {
    name: "condition-ignored",
    bug: "a put on condition of a version overwrites what somebody else put",
    find: "if (newest === ifVersion) return undefined;",
    replace: "if (newest >= 0) return undefined;",
    seenBy: "the clients' history: linearizability of conditional puts",
  },
]);

const replicas: readonly Mutant[] = [
  {
    name: "lost-chunks-ignored",
    bug: "what a store says to have lost is not believed, and never made again",
    file: "src/sdfs/catalog/replicas.ts",
    find: "    removeFromStore(rows, store, hash);\n    if (isActive)",
    replace: "    if (isActive)",
    world: "cluster",
    seenBy: "in calm each chunk has its copies on the disks, not only in the catalog",
  },
  {
    name: "held-row-stays",
    bug: "C1: a store is still said to hold what was taken off it",
    file: "src/sdfs/catalog/rows.ts",
    find: "  held.delete(rows, heldId(store, hash));\n}",
    replace: "}",
    world: "cluster",
    seenBy: "C1 on the rows",
  },
  {
    name: "repair-to-a-leaving-node",
    bug: "R1: a copy is made on a node that is leaving",
    file: "src/sdfs/catalog/repair.ts",
    find: "[...live.values()].filter(({ leaving }) => !leaving)",
    replace: "[...live.values()]",
    world: "cluster",
    seenBy: "R1 on each place-chunks command",
  },
  {
    name: "leaving-copies-count",
    bug: "R2: a node goes before its copies are elsewhere",
    file: "src/sdfs/catalog/repair.ts",
    find: "const here = sources.filter(({ leaving }) => !leaving);",
    replace: "const here = sources;",
    world: "cluster",
    seenBy: "an acknowledged file is readable after its nodes have left",
  },
];

const fetched = mutants({ file: "src/node/chunk-fetcher.ts", world: "cluster" }, [
  {
    name: "damaged-copy-is-copied",
    bug: "S17: a chunk that is damaged on its way or at its source is stored as if it were whole",
    find: "if ((await this.#ports.store.hash(bytes)) === hash) return bytes;",
    replace: "if (bytes.length >= 0) return bytes;",
    seenBy: "every chunk file hashes to its name; every read gives what was put",
  },
]);

const chunks = mutants({ file: "src/node/chunk-service.ts", world: "cluster" }, [
  {
    name: "put-to-a-leaving-node",
    bug: "copies of new files are placed on nodes that are leaving or gone",
    find: ".filter(takesMore)",
    replace: ".filter((member) => takesMore(member) || member.leaving === true)",
    seenBy: "no copy of a file newer than the request is on a leaving node",
  },
]);

const balance = mutants({ file: "src/node/balancer.ts", world: "cluster" }, [
  {
    name: "nothing-is-moved",
    bug: "chunks stay where they were when nodes join",
    find: "if (moves.length > 0) await copier.carryOut(moves);",
    replace: "if (moves.length < 0) await copier.carryOut(moves);",
    seenBy: "U6",
  },
  {
    name: "moved-copy-is-given-up",
    bug: "B2: what was moved is given up again, and moved again, for ever",
    file: "src/sdfs/catalog/balance.ts",
    find: "const wanted = new Set(place(hash, holders, copies));",
    replace: "const wanted = new Set(holders.slice(0, copies).map(({ store }) => store));",
    seenBy: "U6",
  },
  {
    name: "full-disk-stays-full",
    bug: "a store that was full is never given chunks again",
    file: "src/node/store-room.ts",
    find: "const bytes = this.#isFull ? 0 : free",
    replace: "const bytes = this.#isFull || known.room === 0 ? 0 : free",
    seenBy: "U3",
  },
]);

export const fileMutants: readonly Mutant[] = [
  ...collection,
  ...acknowledgement,
  ...sweeping,
  ...commit,
  ...replicas,
  ...fetched,
  ...chunks,
  ...balance,
];
