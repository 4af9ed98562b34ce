/**
 * Data on standard output in the format asked for. A column knows its raw value, for scripts, and how people read it;
 * json is the body of the HTTP answer, untouched.
 */
import { once } from "node:events";
import type { Writable } from "node:stream";
import Table from "cli-table3";

export const formats = ["table", "json", "ndjson", "csv"] as const;
export type Format = (typeof formats)[number];

export interface Column<Row> {
  /** Heads the column: as it is in csv, in capitals in tables. */
  readonly name: string;
  readonly value: (row: Row) => string | number | boolean | undefined;
  /** In tables; by default the value. */
  readonly human?: (row: Row) => string;
}

export class Printer {
  readonly format: Format;
  readonly #out: Writable;
  readonly #signal: AbortSignal;

  constructor(out: Writable, format: Format, signal: AbortSignal) {
    this.#out = out;
    this.format = format;
    this.#signal = signal;
  }

  /** Rows of one kind. @param body what json prints, when the answer holds more than the rows */
  async rows<Row>(
    rows: readonly Row[],
    columns: readonly Column<Row>[],
    body: unknown = rows,
  ): Promise<void> {
    switch (this.format) {
      case "json":
        return this.json(body);
      case "ndjson":
        for (const row of rows) await this.line(JSON.stringify(row));
        return;
      case "csv":
        await this.csvLine(columns.map(({ name }) => name));
        for (const row of rows) await this.csvLine(columns.map(({ value }) => value(row)));
        return;
      case "table":
        return this.line(
          grid(
            columns.map(({ name }) => name.toUpperCase()),
            rows.map((row) => columns.map((column) => cell(column, row))),
            columns.map(
              ({ value }) => rows.length > 0 && rows.every((row) => typeof value(row) === "number"),
            ),
          ),
        );
    }
  }

  /** One thing: a line for each of its columns in a table. */
  async record<Row>(row: Row, columns: readonly Column<Row>[], body: unknown = row): Promise<void> {
    if (this.format === "table")
      return this.line(
        grid(
          undefined,
          columns
            .filter(({ value }) => value(row) !== undefined)
            .map((column) => [`${column.name}:`, cell(column, row)]),
        ),
      );
    return this.rows([row], columns, body);
  }

  async json(body: unknown): Promise<void> {
    await this.line(JSON.stringify(body, undefined, 2));
  }

  async csvLine(values: readonly (string | number | boolean | undefined)[]): Promise<void> {
    await this.line(values.map(csvCell).join(","));
  }

  async line(text: string): Promise<void> {
    await this.bytes(`${text}\n`);
  }

  /** Waits while the reader of standard output is slower than we are. */
  async bytes(bytes: string | Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    if (!this.#out.write(bytes)) await once(this.#out, "drain", { signal: this.#signal });
  }
}

function cell<Row>({ value, human }: Column<Row>, row: Row): string {
  const raw = value(row);
  const text = raw === undefined ? "-" : (human?.(row) ?? String(raw));
  // Names from elsewhere must not steer the terminal.
  return text.replaceAll(/\p{Cc}/gu, (char) => JSON.stringify(char).slice(1, -1));
}

/** RFC 4180: quoted where it must be. */
function csvCell(value: string | number | boolean | undefined): string {
  const text = value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const bare = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
} as const;

/** Columns without borders, as `kubectl` prints them; numbers to the right. */
function grid(
  head: readonly string[] | undefined,
  rows: readonly (readonly string[])[],
  numeric: readonly boolean[] = [],
): string {
  const table = new Table({
    chars: bare,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: numeric.map((right) => (right ? "right" : "left")),
    ...(head === undefined ? {} : { head: [...head] }),
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replaceAll(/ +$/gm, "");
}
