/** The models of a fake cluster: one version each. */
import type { ModelView } from "../../src/lib/api/cluster.ts";
import type { ModelNodeView, RemovedModel, SetModelBody } from "../../src/lib/api/models.ts";
import { IDunnoError } from "../../src/lib/errors.ts";
import { smallManifest } from "../lib/manifests.ts";
import type { FakeCluster } from "./fake-cluster.ts";

interface Asked {
  readonly method: string;
  readonly key: string;
  readonly body: Buffer;
  readonly query: URLSearchParams;
}

/** @param path what follows `/v1/models/` */
export function models(
  cluster: FakeCluster,
  { method, key, body, query }: Asked,
  path: string,
): unknown {
  if (method === "POST") return cluster.once(key, () => add(cluster, body));
  if (method === "DELETE") return cluster.once(key, () => remove(cluster, path));
  if (method === "PATCH")
    return cluster.once(key, () => {
      const { loaded: preloaded } = JSON.parse(body.toString()) as SetModelBody;
      const view = { ...find(cluster, path), preloaded };
      cluster.models.set(view.name, view);
      return view;
    });
  const nodes = query.has("loaded") ? { nodes: look(cluster) } : {};
  if (path === "") return [...cluster.models.values()].map((view) => ({ ...view, ...nodes }));
  const view = { ...find(cluster, path.replace(/\/versions$/, "")), ...nodes };
  return path.endsWith("/versions") ? [view] : view;
}

function look(cluster: FakeCluster): ModelNodeView[] {
  const [now = [], ...later] = cluster.looks;
  if (later.length > 0) cluster.looks = later;
  return now;
}

/** @param alias what follows `/v1/aliases/` */
export function aliases(
  cluster: FakeCluster,
  { method, key, body }: Asked,
  alias: string,
): unknown {
  return cluster.once(key, () => {
    if (method === "DELETE") {
      cluster.aliases.delete(alias);
      return { alias };
    }
    const { model: reference } = JSON.parse(body.toString()) as { readonly model: string };
    const [model = "", version] = reference.split("@");
    cluster.aliases.set(alias, reference);
    return { alias, model, ...(version === undefined ? {} : { version: Number(version) }) };
  });
}

function add(cluster: FakeCluster, body: Buffer): ModelView {
  const { manifest, file } = JSON.parse(body.toString()) as ModelView;
  const view = modelView(manifest.name, { manifest, file: { ...file, bytes: 1 } });
  cluster.models.set(view.name, view);
  return view;
}

function remove(cluster: FakeCluster, reference: string): RemovedModel {
  const { name, version, jobs } = find(cluster, reference);
  cluster.models.delete(name);
  return reference.includes("@") ? { name, version, jobs } : { name, jobs };
}

/** A model as a node would show it. */
export function modelView(name: string, more: Partial<ModelView> = {}): ModelView {
  const file = { path: `models/${name}/model.onnx`, version: 1, bytes: 7 };
  return {
    name,
    version: 1,
    manifest: smallManifest(name),
    addedAtMs: 1,
    jobs: 0,
    aliases: [],
    preloaded: true,
    file,
    ...more,
  };
}

function find(cluster: FakeCluster, reference: string): ModelView {
  const [name = "", version] = reference.split("@");
  const view = cluster.models.get(name);
  if (view !== undefined && (version === undefined || Number(version) === view.version))
    return view;
  throw new IDunnoError("NOT_FOUND", { kind: "model", name: reference, remedy: "look again" });
}
