/**
 * The HTTP interface, `/v1/…` on every node: the schemas from which the server validates, the client types and
 * OpenAPI are made. Reads are linearizable unless `?stale=true`. Mutations take an `Idempotency-Key` header (from
 * `POST /v1/keys`; without one the node mints it) and `Idunno-Timeout-Ms` (default 10,000): repeated with the same
 * key they happen once. Errors are `{error: {code, message, details}}`.
 *
 * | method and path              | body → answer                                                   |
 * | ---------------------------- | --------------------------------------------------------------- |
 * | POST /v1/keys                | → IssuedKey                                                     |
 * | GET /v1/status               | → StatusView (always local: what this node sees)                |
 * | GET /v1/cluster              | → ClusterView (always local: what a node needs to join)         |
 * | GET /v1/members              | → MemberView[]                                                  |
 * | DELETE /v1/members/NODE      | → MemberView; it leaves when it can be spared                   |
 * | POST /v1/leader              | HandOverBody → LeaderView, once another node leads              |
 * | GET /v1/models, /v1/models/N | ?loaded= → ModelView[], ModelView; N: NAME, NAME@3, or an alias |
 * | GET /v1/models/NAME/versions | ?loaded= → ModelView[], oldest first                            |
 * | PATCH /v1/models/N           | SetModelBody → ModelView                                        |
 * | DELETE /v1/models/N          | → RemovedModel; ?keepFile=true: its file in SDFS stays          |
 * | PUT /v1/aliases/NAME         | SetAliasBody → AliasView                                        |
 * | DELETE /v1/aliases/NAME      | → RemovedAlias                                                  |
 * | POST /v1/models              | AddModelBody → ModelView                                        |
 * | POST /v1/inspect             | InspectBody → NetworkView (lib/network.ts)                      |
 * | GET /v1/settings             | ?prefix=&after=&limit= → SettingsView                           |
 * | GET /v1/settings/NAME        | → SettingView                                                   |
 * | PUT /v1/settings/NAME        | SetSettingBody → SettingView                                    |
 * | DELETE /v1/settings/NAME     | → RemovedSetting                                                |
 * | POST /v1/jobs                | SubmitJobBody → JobView                                         |
 * | GET /v1/jobs, /v1/jobs/ID    | → JobView[], JobView                                            |
 * | PATCH /v1/jobs/ID            | SetJobBody → JobView                                            |
 * | POST /v1/jobs/ID/retry       | RetryJobBody → JobView of a new, linked job                     |
 * | GET /v1/jobs/ID/results      | → NDJSON of ResultLine in input order; ?follow=true until done  |
 * | GET /v1/jobs/ID/queries      | → QueryView[] (open ones)                                       |
 * | GET /v1/assignments          | → AssignmentsView                                               |
 * | PUT /v1/files/PATH           | bytes → FileView; ?ifVersion=N                                  |
 * | POST /v1/files               | files in a row (bulk.ts) → FilesView, all or none               |
 * | GET /v1/files/PATH           | → bytes; ?version=N; Range                                      |
 * | DELETE /v1/files/PATH        | → FileView of what was removed; ?purge=true: for good           |
 * | POST /v1/moves               | MoveBody → MovedView                                            |
 * | GET /v1/list                 | ?prefix=&after=&limit= → ListView                               |
 * | GET /v1/usage                | ?prefix=&after=&depth= → UsageView                              |
 * | GET /v1/quotas               | → QuotaView[]                                                   |
 * | PUT /v1/quotas               | ?prefix=, SetQuotaBody → QuotaView                              |
 * | DELETE /v1/quotas            | ?prefix= → RemovedQuota                                         |
 * | GET /v1/stat/PATH            | ?version=N → FileView                                           |
 * | POST /v1/stat                | StatBody → FilesView of those that exist                        |
 * | GET /v1/versions/PATH        | → FileView[], oldest first                                      |
 * | GET /v1/locate/PATH          | ?version=N → LocateView                                         |
 * | POST /v1/restore/PATH        | → FileView; a removed file is readable again                    |
 * | GET /v1/fsck                 | ?after= → FsckView of a part of the chunks                      |
 * | GET /v1/fsck/files           | ?after= → FsckFilesView                                         |
 * | GET /v1/stores/NODE          | ?after=&limit= → StoreView (NODE `self`: the one asked)         |
 * | GET /v1/log                  | ?from=&limit= → LogView                                         |
 */
export const apiLimits = {
  /** Bytes of a JSON body: a list of 10,000 input prefixes fits. */
  bodyBytes: 16 * 1024 * 1024,
  /** Bytes of a file (design: SDFS). */
  fileBytes: 64 * 1024 ** 3,
  /** Rows of one page of a listing. */
  pageRows: 1_000,
  /** Inputs of a job. */
  jobInputs: 10_000_000,
  /** Default wait for a leader and a commit, in milliseconds. */
  timeoutMs: 10_000,
} as const;
