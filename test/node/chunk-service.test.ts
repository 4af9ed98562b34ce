/** Of which chunks a node gives up hope: of those that no store has any more, unless it has verified a copy itself. */
import test from "ava";
import { StoreId } from "../../src/lib/types.ts";
import { ChunkService, type ChunkServicePorts } from "../../src/node/chunk-service.ts";
import { hashOf, nodeName } from "../machine/fixtures.ts";

const hash = hashOf(1);

function serviceWhere(options: { readonly knows: boolean; readonly storeState: string }) {
  const looks: string[] = [];
  const store = StoreId("s1");
  const ports = {
    self: nodeName(1),
    store: { knows: () => options.knows },
    state: {
      get: (key: string) => {
        looks.push(key);
        return { hash, bytes: 1, stores: [store] };
      },
    },
    machine: { stores: new Map([[store, { state: options.storeState }]]) },
  } as unknown as ChunkServicePorts;
  return { service: new ChunkService(ports), looks };
}

test("a chunk is lost when no store that the catalog lists is there any more", (t) => {
  const there = serviceWhere({ knows: false, storeState: "active" });
  t.false(there.service.isLost(hash));
  const gone = serviceWhere({ knows: false, storeState: "removed" });
  t.true(gone.service.isLost(hash));
});

test("what was verified here is not lost, whatever the catalog says, and nobody asks it", (t) => {
  const { service, looks } = serviceWhere({ knows: true, storeState: "removed" });
  t.false(service.isLost(hash));
  t.deepEqual(looks, []);
});
