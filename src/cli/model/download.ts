/** Fetches a network from the web into a temporary folder: bounded in bytes, time and redirects, and checked against its hash. */
import { createHash } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IDunnoError } from "../../lib/errors.ts";

export interface DownloadLimits {
  /** An ONNX file is one protobuf message, which cannot be larger. */
  readonly bytes: number;
  readonly redirects: number;
  /** For all of it: 2 GiB in it is 1.2 MB/s. */
  readonly withinMs: number;
  /** Without a single byte. */
  readonly silentMs: number;
}

export const downloadLimits: DownloadLimits = {
  bytes: 2 * 1024 ** 3,
  redirects: 5,
  withinMs: 30 * 60_000,
  silentMs: 30_000,
};

export interface Download extends AsyncDisposable {
  /** Where the bytes are until it is disposed of. */
  readonly path: string;
}

export function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/** A URL of a kind that nothing is fetched from, such as `ftp://`, rather than the name of a file. */
export function isOtherUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) && !isUrl(text);
}

export interface Wanted {
  readonly url: string;
  /** Of the model, for errors. */
  readonly name: string;
  readonly sha256: string;
  /** Where the temporary folder is made. Default: where the system keeps such folders. */
  readonly into?: string;
}

/**
 * @throws BAD_MODEL when the bytes do not hash to `sha256`; INVALID when they cannot be had; TOO_LARGE; TIMED_OUT;
 *   whatever `signal` is aborted with
 */
export async function download(
  { url, name, sha256, into = tmpdir() }: Wanted,
  signal: AbortSignal,
  limits: DownloadLimits = downloadLimits,
): Promise<Download> {
  const folder = await mkdtemp(join(into, "idunno-download-"));
  const path = join(folder, "model.onnx");
  const dispose = async (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const actual = await fetchInto(path, url, { signal, limits });
    if (actual !== sha256)
      throw new IDunnoError("BAD_MODEL", {
        model: name,
        why: `${url} hashes to ${actual}, not to ${sha256}: it is another file than the one you meant`,
      });
  } catch (error) {
    await dispose();
    throw error;
  }
  return { path, [Symbol.asyncDispose]: dispose };
}

/** @returns the SHA-256 of what was written */
async function fetchInto(
  path: string,
  url: string,
  { signal, limits }: { readonly signal: AbortSignal; readonly limits: DownloadLimits },
): Promise<string> {
  const late = new AbortController();
  const expire = (afterMs: number) => () =>
    late.abort(new IDunnoError("TIMED_OUT", { what: `fetching ${url}`, afterMs }));
  const whole = setTimeout(expire(limits.withinMs), limits.withinMs);
  const silence = setTimeout(expire(limits.silentMs), limits.silentMs);
  const stop = AbortSignal.any([signal, late.signal]);
  try {
    const body = await follow(url, limits, stop);
    const hash = createHash("sha256");
    await using file = await open(path, "wx");
    let size = 0;
    for await (const piece of body) {
      silence.refresh();
      size += piece.length;
      if (size > limits.bytes) throw tooLarge(url, size, limits);
      hash.update(piece);
      await file.write(piece);
    }
    return hash.digest("hex");
  } catch (cause) {
    if (stop.aborted) throw stop.reason;
    if (cause instanceof IDunnoError) throw cause;
    throw unreachable(url, reasonOf(cause), cause);
  } finally {
    clearTimeout(whole);
    clearTimeout(silence);
  }
}

/** The body at the end of the redirects. */
async function follow(
  url: string,
  limits: DownloadLimits,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  let at = url;
  for (let redirects = 0; redirects <= limits.redirects; redirects += 1) {
    const answer = await fetch(at, { signal, redirect: "manual" });
    const location = answer.headers.get("location");
    if (answer.status >= 300 && answer.status < 400 && location !== null) {
      await answer.body?.cancel();
      at = new URL(location, at).href;
      if (!isUrl(at)) throw unreachable(url, `it leads to ${at}, which is not on the web`);
      continue;
    }
    if (answer.status !== 200 || answer.body === null) {
      await answer.body?.cancel();
      throw unreachable(url, `it was answered with HTTP status ${answer.status}`);
    }
    const size = Number(answer.headers.get("content-length") ?? 0);
    if (size > limits.bytes) {
      await answer.body.cancel();
      throw tooLarge(url, size, limits);
    }
    return answer.body;
  }
  throw unreachable(url, `it redirects more than ${limits.redirects} times`);
}

function tooLarge(what: string, size: number, { bytes }: DownloadLimits): IDunnoError {
  return new IDunnoError("TOO_LARGE", { what, size, limit: bytes });
}

function unreachable(what: string, why: string, cause?: unknown): IDunnoError {
  const remedy = "check the URL, or fetch the file yourself and give its path";
  return new IDunnoError("INVALID", { what, why, remedy }, { cause });
}

/** `fetch failed` says nothing; what made it fail does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
