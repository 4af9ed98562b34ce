/** Tables for people: the first column to the left, numbers to the right. */

export type Cell = string | number | undefined;

/** Numbers are shown with as many digits as say something; a gap is a dash. */
export function shown(cell: Cell): string {
  if (cell === undefined || Number.isNaN(cell)) return "-";
  if (typeof cell === "string") return cell;
  if (Number.isInteger(cell) || Math.abs(cell) >= 100) return Math.round(cell).toLocaleString("en");
  return cell.toFixed(Math.abs(cell) >= 10 ? 1 : 2);
}

export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = [head, ...rows.map((row) => head.map((_, column) => shown(row[column])))];
  const widths = head.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  const lines = texts.map((row) =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  const [first = "", ...others] = lines;
  return [first, "-".repeat(first.length), ...others].join("\n");
}

/** A duration for people. @param value in ms; NaN when there is none */
export function ms(value: number): string {
  return Number.isNaN(value) ? "no time" : `${Math.round(value)} ms`;
}
