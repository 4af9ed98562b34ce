/** Reads that go on: nodes die while a file is on its way, first those that give chunks, then the one that was asked. */
import test from "ava";
import { ContentHasher } from "../../src/node/content.ts";
import { cluster, clientOf } from "./support.ts";

const chunks = 12;
const chunkBytes = 4 * 1024 * 1024;

/** Every chunk another one. */
function content(): Uint8Array {
  const bytes = new Uint8Array(chunks * chunkBytes);
  for (let n = 0; n < chunks; n += 1) bytes.fill(n + 1, n * chunkBytes, (n + 1) * chunkBytes);
  return bytes;
}

test("a read goes on when replicas and then the node itself die in the middle of it", async (t) => {
  t.timeout(180_000);
  const up = await cluster(t, 5);
  const client = clientOf(up.endpoints);
  const bytes = content();
  const open = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
  };
  const file = await client.putFile("big", { kind: "reopen", open });
  t.is(file.copies, 4);
  const { leader } = await client.status();
  const [gateway, ...others] = up.nodes.filter(({ name }) => name !== leader);
  const reader = clientOf([gateway?.httpAddress ?? ""]);
  await reader.status();
  const { body } = await reader.getFile("big");
  const hasher = new ContentHasher();
  let got = 0;
  const kills = [others[0]?.name, gateway?.name].map((name, n) => ({ name, after: 5 + n * 20 }));
  for await (const piece of body) {
    hasher.update(piece);
    got += piece.length;
    const [next] = kills;
    if (next === undefined || got < next.after * 1_000_000) continue;
    kills.shift();
    await up.kill(next.name ?? "");
  }
  t.is(got, bytes.length);
  t.is(hasher.digest(), file.content);
  t.deepEqual(kills, [], "both died before the end");
});
