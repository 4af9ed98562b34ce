/** The newest 1 to 5 versions of a file, read one after the other. */
import type { IDunnoClient } from "../../src/client/client.ts";
import { type Figures, figure } from "../report.ts";
import { median } from "../statistics.ts";
import { table } from "../table.ts";
import type { BenchContext } from "../bench.ts";
import { MB, refill, sourceOf, timed } from "./content.ts";

/** As many as are kept. */
const kept = 5;

export async function versions(
  { say }: BenchContext,
  client: IDunnoClient,
  { rounds }: { readonly rounds: number },
): Promise<Figures> {
  const bytes = new Uint8Array(MB);
  for (let n = 0; n < kept; n += 1) {
    refill(bytes);
    await client.putFile("bench/versions", sourceOf(bytes));
  }
  const figures: Record<string, Figures[string]> = {};
  const rows: [string, number][] = [];
  for (let count = 1; count <= kept; count += 1) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1)
      times.push(await timed(async () => newest(client, count)));
    figures[`versions${count}.medianMs`] = figure(median(times), "ms");
    rows.push([`get-versions ${count}`, median(times)]);
  }
  say(`\n${table(["versions of 1 MB", "ms"], rows)}\n`);
  return figures;
}

async function newest(client: IDunnoClient, count: number): Promise<void> {
  const views = await client.versions("bench/versions");
  for (const { path, version } of views.slice(-count)) {
    const { body } = await client.getFile(path, { version });
    for await (const piece of body) void piece.length;
  }
}
