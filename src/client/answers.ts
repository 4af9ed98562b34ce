/**
 * The answers of the HTTP interface as typed values: one validator for each shape that the client reads, compiled at its
 * first use, since a command reads one or two of them.
 */
import {
  IssuedKey,
  LeaderView,
  MemberView,
  ModelView,
  NetworkView,
  RemovedSetting,
  SettingsView,
  SettingView,
  StatusView,
} from "../lib/api/cluster.ts";
import { FilesView } from "../lib/api/bulk.ts";
import {
  FileView,
  FsckFilesView,
  FsckView,
  ListView,
  LocateView,
  LogView,
  MovedView,
  QuotaView,
  RemovedQuota,
  StoreView,
  UsageView,
} from "../lib/api/files.ts";
import { AliasView, RemovedAlias, RemovedModel } from "../lib/api/models.ts";
import { AssignmentsView, JobView, QueryView, ResultLine } from "../lib/api/jobs.ts";
import { IDunnoError } from "../lib/errors.ts";
import { parser, type Static, type TSchema, Type } from "../lib/schema.ts";

export const parse = {
  key: lazily(IssuedKey, "issued key"),
  status: lazily(StatusView, "status"),
  member: lazily(MemberView, "member"),
  leader: lazily(LeaderView, "leader"),
  members: lazily(Type.Array(MemberView), "members"),
  model: lazily(ModelView, "model"),
  network: lazily(NetworkView, "network"),
  models: lazily(Type.Array(ModelView), "models"),
  removedModel: lazily(RemovedModel, "removed model"),
  alias: lazily(AliasView, "alias"),
  removedAlias: lazily(RemovedAlias, "removed alias"),
  setting: lazily(SettingView, "setting"),
  settings: lazily(SettingsView, "settings"),
  removedSetting: lazily(RemovedSetting, "removed setting"),
  job: lazily(JobView, "job"),
  jobs: lazily(Type.Array(JobView), "jobs"),
  queries: lazily(Type.Array(QueryView), "queries"),
  assignments: lazily(AssignmentsView, "assignments"),
  file: lazily(FileView, "file"),
  files: lazily(FilesView, "files"),
  versions: lazily(Type.Array(FileView), "versions"),
  quota: lazily(QuotaView, "quota"),
  quotas: lazily(Type.Array(QuotaView), "quotas"),
  removedQuota: lazily(RemovedQuota, "removed quota"),
  moved: lazily(MovedView, "moved files"),
  list: lazily(ListView, "list"),
  locate: lazily(LocateView, "locations"),
  usage: lazily(UsageView, "usage"),
  fsck: lazily(FsckView, "fsck"),
  fsckFiles: lazily(FsckFilesView, "fsck files"),
  store: lazily(StoreView, "store"),
  log: lazily(LogView, "log"),
} as const;

const parseResult = lazily(ResultLine, "result line");

/** One line of a job's results. @throws MALFORMED */
export function parseResultLine(line: string): ResultLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new IDunnoError("MALFORMED", { path: "result line", expected: "JSON" }, { cause });
  }
  return parseResult(value);
}

function lazily<S extends TSchema>(schema: S, what: string): (value: unknown) => Static<S> {
  let compiled: ((value: unknown) => Static<S>) | undefined;
  return (value) => (compiled ??= parser(schema, what))(value);
}
