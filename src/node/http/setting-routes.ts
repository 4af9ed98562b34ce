/** Settings of the cluster over HTTP. */
import { SetSettingBody, type SettingsView, type SettingView } from "../../lib/api/cluster.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { isKnownSetting, knownSettings, settingOf } from "../../machine/settings.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";
import { beforeRead, Page, pageSize, requestKey, requestSignal } from "./request.ts";

type ByName = { Params: { name: string } };

export function settingRoutes(app: App, services: Services): void {
  const { machine, coordination } = services;

  app.get("/v1/settings", { schema: { querystring: Page } }, async (request, reply) => {
    await beforeRead(request, reply, services);
    const { prefix = "", after = "" } = request.query;
    const limit = pageSize(request.query.limit);
    const names = [...new Set([...knownSettings, ...machine.settings.keys()])]
      .filter((name) => name.startsWith(prefix) && name > after)
      .sort();
    const view: SettingsView = {
      settings: names.slice(0, limit).flatMap((name) => settingView(services, name) ?? []),
    };
    const last = names[limit - 1];
    if (names.length > limit && last !== undefined) view.next = last;
    return view;
  });

  app.get<ByName>("/v1/settings/:name", async (request, reply) => {
    await beforeRead(request, reply, services);
    const { name } = request.params;
    const view = settingView(services, name);
    if (view !== undefined) return view;
    throw new IDunnoError("NOT_FOUND", {
      kind: "setting",
      name,
      remedy: "see 'idunno setting ls'",
    });
  });

  app.put<ByName & { Body: SetSettingBody }>(
    "/v1/settings/:name",
    { schema: { body: SetSettingBody } },
    async (request, reply): Promise<SettingView> => {
      const signal = requestSignal(request, reply);
      const key = requestKey(request, services);
      const { name } = request.params;
      const { value } = request.body;
      await coordination.decide({ kind: "set-setting", name, value }, { key, signal });
      return { name, value, isSet: true };
    },
  );

  app.delete<ByName>("/v1/settings/:name", async (request, reply) => {
    const signal = requestSignal(request, reply);
    const key = requestKey(request, services);
    const { name } = request.params;
    await coordination.decide({ kind: "set-setting", name }, { key, signal });
    return { name };
  });
}

function settingView({ machine }: Services, name: string): SettingView | undefined {
  const isSet = machine.settings.has(name);
  if (!isSet && !isKnownSetting(name)) return undefined;
  return { name, value: settingOf(machine.settings, name) ?? "", isSet };
}
