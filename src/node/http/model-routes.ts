/** Models over HTTP: what there is, and what becomes of it. */
import { AddModelBody, InspectBody, type ModelView } from "../../lib/api/cluster.ts";
import {
  type AliasView,
  type RemovedAlias,
  type RemovedModel,
  SetAliasBody,
  SetModelBody,
} from "../../lib/api/models.ts";
import { IDunnoError } from "../../lib/errors.ts";
import type { ModelReference } from "../../lib/model-reference.ts";
import type { OutcomeValue } from "../../lib/outcome.ts";
import { FileVersion } from "../../lib/types.ts";
import type { ModelRecord } from "../../machine/commands.ts";
import { absence, standing, versionsOf } from "../../machine/models.ts";
import { aliasNamed, modelIn, modelNamed } from "../model-names.ts";
import { statesEverywhere } from "../model-states.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";
import { beforeRead, isOn, requestKey, requestSignal } from "./request.ts";
import { modelViews, unfinishedWith } from "./model-views.ts";

type ByName = { Params: { name: string } };
type Looked = { Querystring: { loaded?: string } };

export function modelRoutes(app: App, services: Services): void {
  const { machine, coordination } = services;
  lookRoutes(app, services);
  aliasRoutes(app, services);
  removalRoute(app, services);
  preloadRoute(app, services);

  app.post("/v1/inspect", { schema: { body: InspectBody } }, async (request, reply) => {
    const signal = requestSignal(request, reply);
    await coordination.linearize(signal);
    const { file, sha256, ...hints } = request.body;
    const name = `${file.path}@${file.version}`;
    const pin = services.files.stat(file.path, file.version);
    using _held = services.models.hold(sha256);
    const path = await services.models.path({ manifest: { name, sha256 }, file: pin }, signal);
    return await services.executor.inspect({ name, sha256, path, ...hints });
  });

  app.post("/v1/models", { schema: { body: AddModelBody } }, async (request, reply) => {
    const signal = requestSignal(request, reply);
    const key = requestKey(request, services);
    await coordination.linearize(signal);
    const { manifest, file } = request.body;
    const pin = services.files.stat(file.path, file.version);
    using _held = services.models.hold(manifest.sha256);
    // Its bytes are those of the manifest, and a real run gives what the manifest says, or it is refused here.
    const local = await services.models.local({ manifest, file: pin }, signal);
    await services.executor.validate(local);
    const value = await coordination.decide(
      {
        kind: "add-model",
        manifest,
        file: { path: file.path, version: FileVersion(file.version) },
      },
      { key, signal },
    );
    await coordination.linearize(signal);
    return modelViews([modelIn(machine, versionIn(value))], machine)[0];
  });
}

function removalRoute(app: App, services: Services): void {
  const { coordination, machine } = services;
  app.delete<ByName & { Querystring: { keepFile?: string } }>(
    "/v1/models/:name",
    async (request, reply): Promise<RemovedModel> => {
      const signal = requestSignal(request, reply);
      const key = requestKey(request, services);
      const { name, version } = modelNamed(request.params.name);
      const keepFile = isOn(request.query.keepFile) ? true : undefined;
      await coordination.decide({ kind: "remove-model", name, version, keepFile }, { key, signal });
      await coordination.linearize(signal);
      const jobs = unfinishedWith(machine, { name, version });
      return version === undefined ? { name, jobs } : { name, version, jobs };
    },
  );
}

function aliasRoutes(app: App, services: Services): void {
  const { coordination } = services;
  app.put<ByName & { Body: SetAliasBody }>(
    "/v1/aliases/:name",
    { schema: { body: SetAliasBody } },
    async (request, reply): Promise<AliasView> => {
      const signal = requestSignal(request, reply);
      const key = requestKey(request, services);
      const alias = aliasNamed(request.params.name);
      const { name: model, version } = modelNamed(request.body.model);
      await coordination.decide({ kind: "set-alias", alias, model, version }, { key, signal });
      return version === undefined ? { alias, model } : { alias, model, version };
    },
  );

  app.delete<ByName>("/v1/aliases/:name", async (request, reply): Promise<RemovedAlias> => {
    const signal = requestSignal(request, reply);
    const key = requestKey(request, services);
    const alias = aliasNamed(request.params.name);
    await coordination.decide({ kind: "set-alias", alias }, { key, signal });
    return { alias };
  });
}

/** The version that a command was about: by now the name may stand for another one. */
function versionIn(value: OutcomeValue): ModelReference {
  if (value.kind === "model") return value;
  throw new IDunnoError("INTERNAL", { message: "a command about a model did not answer with one" });
}

/** What the models look like, and with `?loaded` what each node has of them. */
async function viewsOf(
  models: readonly ModelRecord[],
  asked: { readonly loaded?: string },
  services: Services,
  signal: AbortSignal,
): Promise<ModelView[]> {
  const views = modelViews(models, services.machine);
  if (!isOn(asked.loaded)) return views;
  const states = await statesEverywhere(models, services, signal);
  return views.map((view, i) => ({ ...view, nodes: [...(states[i] ?? [])] }));
}

function lookRoutes(app: App, services: Services): void {
  const { machine } = services;

  app.get<Looked>("/v1/models", async (request, reply) => {
    const signal = await beforeRead(request, reply, services);
    const models = standing(machine).toSorted((a, b) => a.addedAt - b.addedAt);
    return viewsOf(models, request.query, services, signal);
  });

  app.get<Looked & ByName>("/v1/models/:name", async (request, reply) => {
    const signal = await beforeRead(request, reply, services);
    const model = modelIn(machine, modelNamed(request.params.name));
    const [view] = await viewsOf([model], request.query, services, signal);
    return view;
  });

  app.get<Looked & ByName>("/v1/models/:name/versions", async (request, reply) => {
    const signal = await beforeRead(request, reply, services);
    const { name } = request.params;
    const versions = versionsOf(machine, name);
    if (versions.length === 0) throw new IDunnoError("NOT_FOUND", absence(machine, { name }));
    return viewsOf(versions, request.query, services, signal);
  });
}

function preloadRoute(app: App, services: Services): void {
  const { coordination, machine } = services;
  app.patch<ByName & { Body: SetModelBody }>(
    "/v1/models/:name",
    { schema: { body: SetModelBody } },
    async (request, reply) => {
      const signal = requestSignal(request, reply);
      const key = requestKey(request, services);
      const { loaded: wanted } = request.body;
      const reference = modelNamed(request.params.name);
      const operation = { kind: "preload-model", ...reference, wanted } as const;
      const value = await coordination.decide(operation, { key, signal });
      await coordination.linearize(signal);
      return modelViews([modelIn(machine, versionIn(value))], machine)[0];
    },
  );
}
