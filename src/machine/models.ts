/**
 * Names of networks, and what they stand for. A name has versions; whoever names no version gets the newest.
 *
 * V1 A version of a name is given once, also when it or the whole name has been removed: its network and its manifest
 *    never change.
 * V2 What a job runs is what its submission named, decided in the command that took it in: nothing that becomes of a name
 *    afterwards changes it or takes its bytes away. So a removal need not wait for jobs: they pin what they run (G1).
 * V3 The file of every version is pinned, not only of the newest (sdfs/catalog/collection.ts, G1).
 * V4 A name is a model's or an alias's, never both.
 * V5 What an alias names is there, and is a model: no alias leads to another.
 */
import type { ErrorDetails } from "../lib/errors.ts";
import { modelPath, type ModelReference, modelReferenceText } from "../lib/model-reference.ts";
import { done, ok, type Outcome, refuse } from "../lib/outcome.ts";
import { padded, type Rows, type Stamp } from "../lib/rows.ts";
import type { LogTime } from "../lib/types.ts";
import { removeFile } from "../sdfs/catalog/removal.ts";
import { files } from "../sdfs/catalog/rows.ts";
import { orderedOperation } from "./codec.ts";
import type {
  AddModel,
  AliasRecord,
  ModelRecord,
  Preload,
  PreloadModel,
  RemoveModel,
  SetAlias,
} from "./commands.ts";
import { noSuchFile, pinOf } from "./pins.ts";
import { aliases, lastModels, models, olderModels } from "./tables.ts";

/** Versions of all names together: each is in every node's memory with its labels. */
export const modelsLimit = 1_000;
/** Aliases: each is in every node's memory. */
export const aliasesLimit = 1_000;
/** Aliases that an error names. */
const shownAliases = 10;
/** Versions that an error names; who wants more lists them. */
const namedVersions = 10;

/** Where models are looked up: inside a command its rows, outside of one the machine's views. */
export interface ModelViews {
  readonly aliases: Pick<ReadonlyMap<string, AliasRecord>, "get">;
  /** The newest version of each name. */
  readonly models: Pick<ReadonlyMap<string, ModelRecord>, "get">;
  /** All others, by {@link versionId}. */
  readonly olderModels: Pick<ReadonlyMap<string, ModelRecord>, "get" | "values">;
}

/** `mobilenet@000000002`: in the order of versions. */
export function olderId(name: string, version: number): string {
  return `${name}@${padded(version, 9)}`;
}

/** What a command sees. */
export function viewsOf(rows: Rows): ModelViews {
  return {
    aliases: { get: (name) => aliases.get(rows, name) },
    models: { get: (name) => models.get(rows, name) },
    olderModels: {
      get: (id) => olderModels.get(rows, id),
      values: () =>
        olderModels
          .list(rows)
          .map(([, model]) => model)
          .values(),
    },
  };
}

/** The model that is named; undefined when there is none ({@link absence} says why). */
export function findModel(views: ModelViews, reference: ModelReference): ModelRecord | undefined {
  const { name, version } = targetOf(views, reference);
  const newest = views.models.get(name);
  if (newest === undefined || version === undefined || newest.version === version) return newest;
  return views.olderModels.get(olderId(name, version));
}

/** What an alias stands for; anything else for itself. An alias has no versions of its own. */
function targetOf(views: ModelViews, reference: ModelReference): ModelReference {
  const { name, version } = reference;
  const alias = version === undefined ? views.aliases.get(name) : undefined;
  return alias === undefined ? reference : { name: alias.model, version: alias.version };
}

/** What is to be said of a model that {@link findModel} does not find. */
export function absence(views: ModelViews, reference: ModelReference): ErrorDetails["NOT_FOUND"] {
  const { name } = reference;
  const versions = versionsOf(views, name).map(({ version }) => version);
  const alias = views.aliases.get(name);
  const remedy =
    alias !== undefined
      ? `${name} is an alias of ${modelReferenceText({ name: alias.model, version: alias.version })}: name that one`
      : versions.length === 0
        ? "see 'idunno model ls', or add it with 'idunno model add'"
        : `there ${versions.length === 1 ? "is version" : "are versions"} ${named(versions)}`;
  return { kind: "model", name: modelReferenceText(reference), remedy };
}

/** What names stand for now: the newest version of each model, and what aliases name besides. */
export function standing(
  views: ModelViews & {
    readonly models: Pick<ReadonlyMap<string, ModelRecord>, "values">;
    readonly aliases: Pick<ReadonlyMap<string, AliasRecord>, "keys">;
  },
): ModelRecord[] {
  const found = new Set(views.models.values());
  for (const name of views.aliases.keys()) {
    const model = findModel(views, { name });
    if (model !== undefined) found.add(model);
  }
  return [...found];
}

/**
 * What every node is to load before it is used, the latest asked for first: what names stand for, but what was unloaded,
 * and other versions that were asked for by their number.
 */
export function preloaded(views: Parameters<typeof standing>[0]): ModelRecord[] {
  const found = new Set(standing(views).filter(({ preload }) => preload?.wanted !== false));
  for (const model of views.olderModels.values())
    if (model.preload?.wanted === true) found.add(model);
  return [...found].toSorted((a, b) => askedAt(b) - askedAt(a));
}

/** Log time at which somebody last wanted a model to be loaded. */
export function askedAt({ addedAt, preload }: ModelRecord): LogTime {
  return preload?.at ?? addedAt;
}

/** All versions of a name, ascending. */
export function versionsOf(views: ModelViews, name: string): ModelRecord[] {
  const older = [...views.olderModels.values()].filter((model) => model.name === name);
  const newest = views.models.get(name);
  return [...older, ...(newest === undefined ? [] : [newest])].toSorted(
    (a, b) => a.version - b.version,
  );
}

/** `1, 2 and 4`; of many the newest. */
function named(versions: readonly number[]): string {
  const shown = versions.slice(-namedVersions).map(String);
  const last = shown.pop() ?? ""; // unreachable: there is one
  const text = shown.length === 0 ? last : `${shown.join(", ")} and ${last}`;
  const more = versions.length - namedVersions;
  return more > 0 ? `${text}, and ${more} older` : text;
}

/** A model whose network or manifest differs from the newest of its name becomes its next version. */
export function addModel(rows: Rows, command: AddModel, { now }: Stamp): Outcome {
  const { manifest, file } = orderedOperation(command) as AddModel;
  const pin = pinOf(rows, file);
  if (pin === undefined) return noSuchFile(file);
  const { name } = manifest;
  const alias = aliases.get(rows, name);
  if (alias !== undefined)
    return refuse("CONFLICT", { what: `model ${name}`, why: isAlias(name, alias) });
  const known = models.get(rows, name);
  // Preprocessing and labels decide results as much as weights do: other ones make another version.
  if (known !== undefined && JSON.stringify(known.manifest) === JSON.stringify(manifest))
    return ok({ kind: "model", name, version: known.version });
  const count = models.list(rows).length + olderModels.list(rows).length;
  if (count >= modelsLimit)
    return refuse("TOO_LARGE", {
      what: "the list of models",
      size: count + 1,
      limit: modelsLimit,
      unit: "versions",
    });
  const version = Math.max(known?.version ?? 0, lastModels.get(rows, name) ?? 0) + 1;
  if (known !== undefined) olderModels.put(rows, olderId(name, known.version), known);
  models.put(rows, name, { name, version, manifest, file: pin, addedAt: now });
  return ok({ kind: "model", name, version });
}

/**
 * Takes versions of a name away, all of them or one. The file where `model add` put them goes with the last one that
 * names it, unless it is to be kept.
 */
export function removeModel(rows: Rows, command: RemoveModel, stamp: Stamp): Outcome {
  const { name, version, keepFile } = command;
  const views = viewsOf(rows);
  const all = versionsOf(views, name);
  const left = version === undefined ? [] : all.filter((model) => model.version !== version);
  const newest = all.at(-1);
  if (newest === undefined || left.length === all.length)
    return refuse("NOT_FOUND", absence(views, { name, version }));
  const wrong = checkUnnamed(rows, command, left.length);
  if (wrong !== undefined) return wrong;
  for (const model of all)
    if (model !== newest && !left.includes(model))
      olderModels.delete(rows, olderId(name, model.version));
  const heir = left.at(-1);
  if (heir === undefined) models.delete(rows, name);
  else if (heir.version !== newest.version) {
    olderModels.delete(rows, olderId(name, heir.version));
    models.put(rows, name, heir);
  }
  if (heir?.version !== newest.version) {
    const last = lastModels.get(rows, name) ?? 0;
    lastModels.put(rows, name, Math.max(last, newest.version));
  }
  if (keepFile !== true) removeOwnFile(rows, name, stamp);
  return ok({ kind: "model", name, version: version ?? newest.version });
}

/** V5. @param left how many versions the name will have */
function checkUnnamed(
  rows: Rows,
  { name, version }: RemoveModel,
  left: number,
): Outcome | undefined {
  const naming = aliases
    .list(rows)
    .filter(([, to]) => to.model === name && (left === 0 || to.version === version))
    .map(([alias]) => alias);
  if (naming.length === 0) return undefined;
  const shown = naming.slice(0, shownAliases).join(", ");
  const more = naming.length > shownAliases ? ` and ${naming.length - shownAliases} more` : "";
  return refuse("CONFLICT", {
    what: `model ${modelReferenceText({ name, version })}`,
    why: `${shown}${more} would stand for nothing: see 'idunno model alias' and 'idunno model unalias'`,
  });
}

/** It can be restored like any removed file. */
function removeOwnFile(rows: Rows, name: string, stamp: Stamp): void {
  const path = modelPath(name);
  const all = [...models.list(rows), ...olderModels.list(rows)];
  const isThere = (files.get(rows, path)?.versions.length ?? 0) > 0;
  if (isThere && !all.some(([, { file }]) => file.path === path))
    removeFile(rows, { path, purge: false }, stamp);
}

/** Loads a model on every node, or lets it go. Of a version named by its number, whatever stands for it later. */
export function preloadModel(rows: Rows, command: PreloadModel, { now }: Stamp): Outcome {
  const { name, version, wanted } = command;
  const views = viewsOf(rows);
  const model = findModel(views, { name, version });
  if (model === undefined) return refuse("NOT_FOUND", absence(views, { name, version }));
  const asked = wanted ? (version === undefined ? undefined : true) : false;
  const preload: Preload = asked === undefined ? { at: now } : { at: now, wanted: asked };
  const isNewest = models.get(rows, model.name)?.version === model.version;
  if (isNewest) models.put(rows, model.name, { ...model, preload });
  else olderModels.put(rows, olderId(model.name, model.version), { ...model, preload });
  return ok({ kind: "model", name: model.name, version: model.version });
}

/** Gives a model another name, which may have stood for another one; without a model, takes the name back. */
export function setAlias(rows: Rows, { alias, model, version }: SetAlias): Outcome {
  const before = aliases.get(rows, alias);
  if (model === undefined) {
    if (before === undefined)
      return refuse("NOT_FOUND", { kind: "alias", name: alias, remedy: "see 'idunno model ls'" });
    aliases.delete(rows, alias);
    return done;
  }
  if (models.get(rows, alias) !== undefined)
    return refuse("CONFLICT", { what: `alias ${alias}`, why: "it is the name of a model" });
  const further = aliases.get(rows, model);
  if (further !== undefined)
    return refuse("INVALID", {
      what: `alias ${alias}`,
      why: isAlias(model, further),
      remedy: "name what that one stands for",
    });
  const views = viewsOf(rows);
  if (findModel(views, { name: model, version }) === undefined)
    return refuse("NOT_FOUND", absence(views, { name: model, version }));
  const count = aliases.list(rows).length;
  if (before === undefined && count >= aliasesLimit)
    return refuse("TOO_LARGE", {
      what: "the list of aliases",
      size: count + 1,
      limit: aliasesLimit,
      unit: "names",
    });
  aliases.put(rows, alias, { model, version });
  return done;
}

function isAlias(name: string, { model, version }: AliasRecord): string {
  return `${name} is an alias of ${modelReferenceText({ name: model, version })}`;
}
