/** A folder as people have them: nineteen good photographs in twenty, and one of everything that can be wrong with the rest. */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import test from "ava";
import type { ResultLine } from "../../src/lib/api/jobs.ts";
import { inputErrors } from "../../src/scheduler/results.ts";
import { makePhotos } from "../../tools/photos/photos.ts";
import { type OddPicture, oddPictures } from "./odd-pictures.ts";
import {
  addModel,
  clientOf,
  cluster,
  daemonLog,
  jobDone,
  resultsOf,
  uploadPhotos,
} from "./support.ts";

const goodPhotos = 228;
/** Which photograph the odd ones show: none of those that the job takes. */
const oddPhoto = 240;

interface Line {
  readonly input: string;
  readonly top?: Extract<ResultLine, { readonly top: unknown }>["top"];
  readonly error?: string;
  readonly message?: string;
}

function linesOf(results: string): Map<string, Line> {
  const lines = results
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
  return new Map(lines.map((line) => [basename(line.input), line]));
}

test("a job over broken and unusual files has one answer for each, and all others are right", async (t) => {
  t.timeout(240_000);
  const three = await cluster(t, 3);
  const client = clientOf(three.endpoints);
  await addModel(client, "mobilenet_v2");
  const photos = await uploadPhotos(client, goodPhotos);
  const source = (await makePhotos("build/photos", oddPhoto)).at(-1) ?? "";
  const odd = await oddPictures(await readFile(source));
  const put = async (path: string, bytes: Uint8Array): Promise<unknown> =>
    client.putFile(path, { kind: "reopen", open: () => Readable.from([bytes]) });
  for (const { name, bytes, expected } of odd) {
    await put(join("photos", name), bytes);
    if (expected.kind === "as") await put(join("plain", `${name}.png`), expected.plain);
  }
  const submit = async (inputs: readonly string[]) => {
    const { id } = await client.submitJob({
      model: "mobilenet_v2",
      inputs: [...inputs],
      batchSize: 8,
    });
    const job = await jobDone(client, id);
    return { job, text: await resultsOf(client, job) };
  };
  const { job, text } = await submit(["photos/"]);
  t.is(job.state, "done");
  t.is(job.totalInputs, goodPhotos + odd.length);
  t.is(job.errorInputs, odd.filter(({ expected }) => expected.kind === "error").length);
  t.is(job.retries, 0, "no query was lost with its node or executor");
  for (const { name } of three.nodes) {
    const log = await daemonLog(three, name);
    t.false(log.includes('"executor-failed"'), `${name} kept its executor`);
  }

  const order = text
    .split("\n")
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as Line).input);
  const all = [...photos, ...odd.map(({ name }) => join("photos", name))];
  t.deepEqual(order, all.toSorted(), "each input once, in order");

  // The good ones alone: nobody's neighbour may make a difference.
  const alone = linesOf((await submit(photos)).text);
  const plain = linesOf((await submit(["plain/"])).text);
  const mixed = linesOf(text);
  for (const [name, line] of alone) t.deepEqual(mixed.get(name), line);
  for (const picture of odd) {
    const line = mixed.get(picture.name);
    if (line === undefined) t.fail(`${picture.name} has no answer`);
    else t.is(wrongIn(line, picture, plain), undefined);
  }
});

/** What is wrong with an odd picture's answer. */
function wrongIn(
  line: Line,
  { name, expected }: OddPicture,
  plain: Map<string, Line>,
): string | undefined {
  if (expected.kind === "error") {
    const { code } = expected;
    const isRight =
      line.error === code && line.message === inputErrors[code] && line.top === undefined;
    return isRight ? undefined : `${name}: ${JSON.stringify(line)} is not ${code}`;
  }
  const same = plain.get(`${name}.png`)?.top ?? [];
  const top = line.top ?? [];
  const [best] = top;
  const isNear =
    top.length > 0 &&
    best?.label === same[0]?.label &&
    same.every(({ label, score }) => {
      const mine = top.find((each) => each.label === label)?.score ?? NaN;
      return Math.abs(mine - score) <= expected.within;
    });
  return isNear ? undefined : `${name}: ${JSON.stringify(top)} is not near ${JSON.stringify(same)}`;
}
