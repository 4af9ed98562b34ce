/** Quotas over HTTP. A prefix may be empty and has slashes, so it is no part of a route's path. */
import { type QuotaView, SetQuotaBody } from "../../lib/api/files.ts";
import { IDunnoError } from "../../lib/errors.ts";
import { Type } from "../../lib/schema.ts";
import { quotaId, usedOf } from "../../sdfs/catalog/quotas.ts";
import type { QuotaRecord } from "../../sdfs/catalog/types.ts";
import type { Services } from "../services.ts";
import type { App } from "./app.ts";
import { beforeRead, requestKey, requestSignal } from "./request.ts";

const ByPrefix = Type.Object({ prefix: Type.String({ maxLength: 1024 }) });

export function quotaRoutes(app: App, services: Services): void {
  const { machine, coordination } = services;

  app.get("/v1/quotas", async (request, reply): Promise<QuotaView[]> => {
    await beforeRead(request, reply, services);
    const quotas = [...machine.quotas.values()];
    return quotas.sort((a, b) => (a.prefix < b.prefix ? -1 : 1)).map(quotaView);
  });

  app.put(
    "/v1/quotas",
    { schema: { querystring: ByPrefix, body: SetQuotaBody } },
    async (request, reply): Promise<QuotaView> => {
      const signal = requestSignal(request, reply);
      const key = requestKey(request, services);
      const { prefix } = request.query;
      const { bytes, files } = request.body;
      if (bytes === undefined && files === undefined)
        throw new IDunnoError("INVALID", {
          what: `the quota for ${JSON.stringify(prefix)}`,
          why: "it limits nothing",
          remedy: "give bytes, files or both; DELETE takes a quota back",
        });
      await coordination.decide({ kind: "set-quota", prefix, bytes, files }, { key, signal });
      await coordination.linearize(signal);
      const quota = machine.quotas.get(quotaId(prefix));
      // Taken back by somebody else meanwhile: it was set nevertheless.
      return quota === undefined ? withLimits(prefix, { bytes, files }) : quotaView(quota);
    },
  );

  app.delete("/v1/quotas", { schema: { querystring: ByPrefix } }, async (request, reply) => {
    const signal = requestSignal(request, reply);
    const key = requestKey(request, services);
    const { prefix } = request.query;
    await coordination.decide({ kind: "set-quota", prefix }, { key, signal });
    return { prefix };
  });
}

function quotaView(quota: QuotaRecord): QuotaView {
  const { prefix, bytesLimit, filesLimit, base } = quota;
  const limits = withLimits(prefix, { bytes: bytesLimit, files: filesLimit });
  return base === undefined ? limits : { ...limits, ...usedOf(quota) };
}

function withLimits(
  prefix: string,
  { bytes, files }: { readonly bytes: number | undefined; readonly files: number | undefined },
): QuotaView {
  return {
    prefix,
    ...(bytes === undefined ? {} : { bytesLimit: bytes }),
    ...(files === undefined ? {} : { filesLimit: files }),
  };
}
