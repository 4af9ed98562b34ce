/** The table of metrics says what the code tells, in both directions. */
import { readFile } from "node:fs/promises";
import test from "ava";
import { metricNames } from "../../src/node/metrics.ts";
import { readings } from "../../src/node/readings.ts";

test("operations.md has exactly the metrics that a node tells, with their labels", async (t) => {
  const text = await readFile("docs/operations.md", "utf8");
  const rows = [...text.matchAll(/^\| `(idunno_\w+)` +\|([^|]*)\|/gm)];
  t.deepEqual(rows.map(([, name = ""]) => name).toSorted(), metricNames.toSorted());
  const labels = new Map(readings.map(({ name, labels: its = [] }) => [name, its]));
  for (const [, name = "", cell = ""] of rows) {
    const its = labels.get(name);
    if (its === undefined) continue;
    t.deepEqual(
      [...cell.matchAll(/`(\w+)`/g)].map(([, label]) => label),
      [...its],
      name,
    );
  }
});
