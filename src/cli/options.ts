/** The values of options and arguments: text in, typed value out, or a sentence that says what was expected. */
import { InvalidArgumentError } from "commander";
import { modelReferenceForm, parseModelReference } from "../lib/model-reference.ts";

const units: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Node's timers hold no more: about 24 days. */
const maxDurationMs = 2 ** 31 - 1;

/** `250`, `250ms`, `10s`, `1.5m`, `1h` in milliseconds. */
export function duration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text) ?? [];
  const ms = Number(number) * (units[unit ?? ""] ?? Number.NaN);
  if (!(ms > 0 && ms <= maxDurationMs))
    throw new InvalidArgumentError("Expected a time such as 500, 500ms, 10s or 2m.");
  return Math.ceil(ms);
}

/** A parser of whole numbers from `min` to `max`, both included. */
export function integer(
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `Expected a whole number, ${min} or more.`
          : `Expected a whole number from ${min} to ${max}.`,
      );
    return value;
  };
}

export function weight(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= 0.01 && value <= 100))
    throw new InvalidArgumentError("Expected a number from 0.01 to 100.");
  return value;
}

/** A job's class. */
export function priority(text: string): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || value < -10 || value > 10)
    throw new InvalidArgumentError("Expected a whole number from -10 to 10.");
  return value;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:8001`, `host:8001`, `[::1]:8001` */
export function hostPort(text: string): HostPort {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]@]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535)
    throw new InvalidArgumentError(`Expected host:port, such as 127.0.0.1:8001, not '${text}'.`);
  return { host, port: Number(port) };
}

/** `h:p,h:p`, an `http://` before it forgiven, as `host:port` each. */
export function nodeList(text: string): string[] {
  return text
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const { host, port } = hostPort(part.trim().replace(/^http:\/\/|\/$/g, ""));
      return `${host}:${port}`;
    });
}

export interface NamedAddress extends HostPort {
  readonly name: string;
}

const nodeName = /^[a-z0-9][a-z0-9-]{0,31}$/;

export function nodeNamed(text: string): string {
  if (!nodeName.test(text))
    throw new InvalidArgumentError(
      "Expected 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit.",
    );
  return text;
}

/** `n1=h:p,n2=h:p` */
export function bootstrapList(text: string): NamedAddress[] {
  const nodes = text.split(",").map((part) => {
    const at = part.indexOf("=");
    if (at < 0) throw new InvalidArgumentError("Expected name=host:port, several with commas.");
    return { name: nodeNamed(part.slice(0, at)), ...hostPort(part.slice(at + 1)) };
  });
  if (new Set(nodes.map(({ name }) => name)).size < nodes.length)
    throw new InvalidArgumentError("Each name may occur once.");
  return nodes;
}

/** Collects `key=value` from repeated options. */
export function label(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("Expected key=value.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

export function jobId(text: string): string {
  if (!/^j\d+$/.test(text))
    throw new InvalidArgumentError(
      `A job is named by its id, such as j42, not '${text}'; see 'idunno job ls'.`,
    );
  return text;
}

export function jobIds(text: string, before: readonly string[] = []): string[] {
  return [...before, jobId(text)];
}

/** `1048576`, `512K`, `500M`, `10G`, `1.5T` in bytes. */
export function byteSize(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * 1_024 ** " KMGT".indexOf(unit.toUpperCase() || " "));
  if (!Number.isSafeInteger(bytes))
    throw new InvalidArgumentError("Expected a size such as 1000000, 512K, 500M, 10G or 1.5T.");
  return bytes;
}

/** What the paths of a folder's files begin with: `images/` for `images`, nothing for `/` and for everything. */
export function folderPrefix(text: string): string {
  return text.replace(/\/*$/, "/").replace(/^\/$/, "");
}

/** `NAME`, or `NAME@3` for a version; as it was written. */
export function modelNamed(text: string): string {
  if (parseModelReference(text) === undefined)
    throw new InvalidArgumentError(`Expected ${modelReferenceForm}.`);
  return text;
}

export interface FileAt {
  readonly path: string;
  /** Undefined: the newest. */
  readonly version: number | undefined;
}

/** `PATH`, or `PATH@3` for a version. A path that itself ends in `@3` is written `PATH@3@`. */
export function fileAt(text: string): FileAt {
  const [, path, version] = /^([^]+)@(\d*)$/.exec(text) ?? [];
  if (path === undefined) return { path: text, version: undefined };
  if (version === "") return { path, version: undefined };
  if (Number(version) < 1) throw new InvalidArgumentError("Versions begin at 1.");
  return { path, version: Number(version) };
}
