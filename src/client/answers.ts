/** The answers of the HTTP interface as typed values: one compiled validator for each shape that the client reads. */
import { IssuedKey, MemberView, ModelView, StatusView } from "../lib/api/cluster.ts";
import { FileView, ListView, LocateView, LogView, StoreView } from "../lib/api/files.ts";
import { AssignmentsView, JobView, QueryView, ResultLine } from "../lib/api/jobs.ts";
import { IDunnoError } from "../lib/errors.ts";
import { parser, Type } from "../lib/schema.ts";

export const parse = {
  key: parser(IssuedKey, "issued key"),
  status: parser(StatusView, "status"),
  members: parser(Type.Array(MemberView), "members"),
  model: parser(ModelView, "model"),
  models: parser(Type.Array(ModelView), "models"),
  job: parser(JobView, "job"),
  jobs: parser(Type.Array(JobView), "jobs"),
  queries: parser(Type.Array(QueryView), "queries"),
  assignments: parser(AssignmentsView, "assignments"),
  file: parser(FileView, "file"),
  versions: parser(Type.Array(FileView), "versions"),
  list: parser(ListView, "list"),
  locate: parser(LocateView, "locations"),
  store: parser(StoreView, "store"),
  log: parser(LogView, "log"),
} as const;

const parseResult = parser(ResultLine, "result line");

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
