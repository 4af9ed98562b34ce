/**
 * Data on standard output in the format asked for. A column knows its raw value, for scripts, and how people read it;
 * json is the body of the HTTP answer, untouched.
 */
import { once } from "node:events";
import type { Writable } from "node:stream";
import Table from "cli-table3";

export const formats = ["table", "json", "ndjson", "csv"] as const;
export type Format = (typeof formats)[number];

/** Rows of a table that is printed as it comes which are aligned with each other: a page of a listing. */
const pageRows = 1_000;

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
        return this.line(table(rows, columns, true));
    }
  }

  /**
   * Rows that are too many to be held: printed as they come. A table is aligned a page at a time.
   * @param name of the list in json, whose body it is alone
   */
  async stream<Row>(
    rows: AsyncIterable<Row>,
    columns: readonly Column<Row>[],
    name: string,
  ): Promise<void> {
    switch (this.format) {
      case "json":
        return this.#jsonList(rows, name);
      case "ndjson":
        for await (const row of rows) await this.line(JSON.stringify(row));
        return;
      case "csv":
        await this.csvLine(columns.map((column) => column.name));
        for await (const row of rows) await this.csvLine(columns.map(({ value }) => value(row)));
        return;
      case "table": {
        let page: Row[] = [];
        let pages = 0;
        for await (const row of rows) {
          if (page.length === pageRows) {
            await this.line(table(page, columns, pages === 0));
            page = [];
            pages += 1;
          }
          page.push(row);
        }
        if (page.length > 0 || pages === 0) await this.line(table(page, columns, pages === 0));
      }
    }
  }

  /** As {@link json} would print the whole. */
  async #jsonList(rows: AsyncIterable<unknown>, name: string): Promise<void> {
    let before = `{\n  ${JSON.stringify(name)}: [`;
    let after = "]\n}";
    for await (const row of rows) {
      const text = JSON.stringify(row, undefined, 2).replaceAll("\n", "\n    ");
      await this.bytes(`${before}\n    ${text}`);
      before = ",";
      after = "\n  ]\n}";
    }
    await this.line(before === "," ? after : before + after);
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

/** A page of a table; only the first one has a head, but it counts for the width of every page. */
function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  isFirst: boolean,
): string {
  const text = grid(
    columns.map(({ name }) => name.toUpperCase()),
    rows.map((row) => columns.map((column) => cell(column, row))),
    columns.map(
      ({ value }) => rows.length > 0 && rows.every((row) => typeof value(row) === "number"),
    ),
  );
  return isFirst ? text : text.slice(text.indexOf("\n") + 1);
}

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
