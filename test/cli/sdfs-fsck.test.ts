/** `idunno sdfs fsck`, `undelete` and `rm --purge` against the HTTP interface over a real state machine. */
import test from "ava";
import { chunk, cluster, nodeName, upload } from "../machine/fixtures.ts";
import { HttpNode } from "../node/http/http-node.ts";
import { idunno, type Outcome } from "./world.ts";

test("fsck gives a verdict, names what is damaged, and exits with 6 unless all is well", async (t) => {
  const replica = cluster(5);
  await using node = await HttpNode.start(replica);
  const fsck = async (...argv: string[]): Promise<Outcome> =>
    idunno(["--node", node.address, "sdfs", "fsck", ...argv]);
  replica.must(upload("x", [chunk(10, [1, 2, 3, 4])]));
  const well = await fsck();
  t.is(well.code, 0);
  t.regex(well.out, /HEALTHY/);
  replica.must({ kind: "mark-member", node: nodeName(1), boot: "boot1", state: "down" });
  const degraded = await fsck();
  t.is(degraded.code, 6);
  t.regex(degraded.out, /DEGRADED/);
  for (const n of [1, 2, 3, 4])
    replica.must({
      kind: "lose-chunks",
      store: `store${n}` as never,
      chunks: [chunk(10, []).hash],
    });
  const corrupt = await fsck("--repair");
  t.is(corrupt.code, 6);
  t.regex(corrupt.out, /CORRUPT/);
  t.regex(corrupt.err, /x@1: chunks 1 lost/);
});

test("undelete brings back what rm removed, unless it was purged", async (t) => {
  await using node = await HttpNode.start();
  const sdfs = async (...argv: string[]): Promise<Outcome> =>
    idunno(["--node", node.address, "sdfs", ...argv]);
  await node.put("a", "one");
  t.is((await sdfs("rm", "a")).code, 0);
  t.is((await sdfs("undelete", "a")).code, 0);
  t.is((await sdfs("cat", "a")).out, "one");
  t.is((await sdfs("undelete", "a")).code, 5);
  t.is((await sdfs("rm", "--purge", "a")).code, 0);
  t.is((await sdfs("undelete", "a")).code, 4);
});
