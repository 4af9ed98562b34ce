/** What stores say of their room. */
import test from "ava";
import { StoreId } from "../../src/lib/types.ts";
import type { Operation } from "../../src/machine/commands.ts";
import { cluster, register, type Replica } from "./fixtures.ts";

const store = StoreId("store1");
const weigh = (room: number, id = store): Operation => ({ kind: "weigh-store", store: id, room });
const roomOf = (replica: Replica, id = store) => replica.machine.stores.get(id)?.room;

test("a store's room is kept through its node's restarts, and another store begins without", (t) => {
  const replica = cluster(2);
  t.is(roomOf(replica), undefined);
  replica.must(weigh(100));
  replica.must(register(1, { boot: "again" }));
  t.is(roomOf(replica), 100);
  t.is(roomOf(replica.restarted()), 100);
  const { mutations } = replica.must(weigh(100));
  t.false(
    mutations.some(({ key }) => key.startsWith("store/")),
    "nothing new",
  );
  replica.must(register(1, { boot: "third", store: StoreId("other") }));
  t.is(roomOf(replica, StoreId("other")), undefined);
  replica.must(weigh(0));
  t.is(roomOf(replica), 100, "a lost store takes nothing any more");
});

test("of a store that nobody has registered nothing is kept", (t) => {
  const replica = cluster(1);
  const { outcome } = replica.apply(weigh(7, StoreId("nobody")));
  t.like(outcome, { kind: "refused", code: "NOT_FOUND" });
});
