/**
 * The command union: all that a log entry may say. Version 1 of every kind; a later version adds a kind or a `v`,
 * and old ones are decoded for ever.
 */
import type { ModelManifest } from "../lib/model-manifest.ts";
import type { FileVersion, LogTime, NodeId, StoreId } from "../lib/types.ts";
import type { FileMove, FileUpload, Pin } from "../lib/content.ts";
import type { AssignedQuery, Outcome, OutcomeValue } from "../lib/outcome.ts";
import type {
  FinishJob,
  PruneResults,
  SetJob,
  SteerJob,
  SubmitJob,
  Work,
} from "../scheduler/types.ts";
import type { Moved } from "../sdfs/catalog/replicas.ts";
import type { StoreRoom } from "../sdfs/catalog/room.ts";

export type { AssignedQuery, Outcome, OutcomeValue };

/** A node says who and where it is: at each start, and whenever what it says changes. */
export interface RegisterMember {
  readonly kind: "register-member";
  readonly node: NodeId;
  /** Random, made with the data directory: a wiped node is another one. */
  readonly incarnation: string;
  /** Random, made at each start. */
  readonly boot: string;
  readonly store: StoreId;
  /** host:port of the peer protocol and of HTTP, as others reach them. */
  readonly peerAddress: string;
  readonly httpAddress: string;
  readonly slots: number;
  /** Failure-domain labels, sorted by key. */
  readonly labels: readonly (readonly [key: string, value: string])[];
}

/**
 * The leader's detector says that a boot of a node went down, or is back; or, of a node that was asked to leave, that
 * it has left. Another boot than the recorded one: ignored.
 */
export interface MarkMember {
  readonly kind: "mark-member";
  readonly node: NodeId;
  readonly boot: string;
  readonly state: "up" | "down" | "left";
}

/** A node is to leave for good: it gets no more work and no more chunks, and what it holds is copied elsewhere first. */
export interface RemoveMember {
  readonly kind: "remove-member";
  readonly node: NodeId;
}

export interface AddModel {
  readonly kind: "add-model";
  readonly manifest: ModelManifest;
  readonly file: { readonly path: string; readonly version: FileVersion };
}

/** Takes versions of a name away, all of them unless one is named (models.ts). */
export interface RemoveModel {
  readonly kind: "remove-model";
  readonly name: string;
  readonly version?: number | undefined;
  /** The file in SDFS stays. */
  readonly keepFile?: true | undefined;
}

/** A model is to be loaded on every node before it is used, or is not to be (models.ts). */
export interface PreloadModel {
  readonly kind: "preload-model";
  /** Of a model, or an alias. */
  readonly name: string;
  readonly version?: number | undefined;
  readonly wanted: boolean;
}

/** Gives a model another name; without a model, the name is taken back (models.ts). */
export interface SetAlias {
  readonly kind: "set-alias";
  readonly alias: string;
  readonly model?: string | undefined;
  /** undefined: whichever is the newest. */
  readonly version?: number | undefined;
}

/** Makes versions visible, all or none. Refused as a whole when one has too few copies or rests on a collected chunk. */
export interface CommitFiles {
  readonly kind: "commit-files";
  readonly files: readonly FileUpload[];
}

/** Takes a file with all its versions out of the listing. */
export interface RemoveFile {
  readonly kind: "remove-file";
  readonly path: string;
  /** It cannot be restored. */
  readonly purge?: true | undefined;
}

/** Makes a removed file readable again, while its versions last. */
export interface RestoreFile {
  readonly kind: "restore-file";
  readonly path: string;
}

/** Forgets removed versions that nobody can need any more (sdfs/catalog/collection.ts). At most 200. */
export interface CollectVersions {
  readonly kind: "collect-versions";
  readonly ids: readonly string[];
}

/** Forgets chunks that no version names. At most 500. */
export interface CollectChunks {
  readonly kind: "collect-chunks";
  readonly chunks: readonly string[];
}

/** A node wants to delete chunks from its store; answered with those that it is to delete. At most 500. */
export interface DropChunks extends Moved<string> {
  readonly kind: "drop-chunks";
}

/** Forgets drops up to a log index: older acknowledgements are void then, whatever they are about. At most 500. */
export interface ForgetDrops {
  readonly kind: "forget-drops";
  readonly floor: number;
  readonly drops: readonly { readonly store: StoreId; readonly hash: string }[];
}

/** A store has these chunks beyond the copies that are wanted. At most 500. */
export interface ReleaseChunks extends Moved<string> {
  readonly kind: "release-chunks";
}

/** Gives files other names, with all their readable versions, all or none. At most 1,000. */
export interface MoveFiles {
  readonly kind: "move-files";
  readonly moves: readonly FileMove[];
}

/** Limits what may lie under a prefix, which ends in `/` or is empty; without limits: none any more. */
export interface SetQuota {
  readonly kind: "set-quota";
  readonly prefix: string;
  readonly bytes?: number | undefined;
  readonly files?: number | undefined;
}

/** The leader has counted what lay under a prefix when the command of log index `made` gave it a quota. */
export interface CountQuota {
  readonly kind: "count-quota";
  readonly prefix: string;
  readonly made: number;
  readonly bytes: number;
  readonly files: number;
}

/** Repair made these chunks durable on a store. */
export interface PlaceChunks extends Moved<{ readonly hash: string; readonly index: number }> {
  readonly kind: "place-chunks";
}

/** These chunks are not on the store any more: damaged, or the store was lost. At most 500. */
export interface LoseChunks extends Moved<string> {
  readonly kind: "lose-chunks";
}

/** A node says how much room its store has (sdfs/catalog/room.ts). */
export interface WeighStore extends StoreRoom {
  readonly kind: "weigh-store";
}

/** Sets one of the cluster's settings, or takes it back when there is no value (settings.ts). */
export interface SetSetting {
  readonly kind: "set-setting";
  readonly name: string;
  readonly value?: string | undefined;
}

export type Operation =
  | RegisterMember
  | MarkMember
  | RemoveMember
  | AddModel
  | SubmitJob
  | SetJob
  | SteerJob
  | Work
  | FinishJob
  | PruneResults
  | CommitFiles
  | RemoveFile
  | RestoreFile
  | CollectVersions
  | CollectChunks
  | DropChunks
  | ForgetDrops
  | ReleaseChunks
  | PlaceChunks
  | LoseChunks
  | SetSetting
  | MoveFiles
  | SetQuota
  | CountQuota
  | WeighStore
  | SetAlias
  | RemoveModel
  | PreloadModel;

/** A log entry's content: an operation, stamped with log time by the leader that proposed it. */
export interface Command {
  readonly v: 1;
  readonly at: LogTime;
  /** The client's idempotency key, `<log time, ms>-<16 hex digits>`; none for the cluster's own decisions. */
  readonly key: string | undefined;
  readonly operation: Operation;
}

/** `left`: gone for good; its data directory may not come back, another one under its name may. */
export type MemberState = "up" | "down" | "left";

/** `member/<node>` Hot. */
export interface MemberRecord extends Omit<RegisterMember, "kind"> {
  readonly state: MemberState;
  /** It was asked to leave, or has left. */
  readonly leaving?: true;
  /** Log time of the last change of {@link state}. */
  readonly since: LogTime;
}

/** `model/<name>`, the newest version of a name; `olderModel/<name>@<version, 9 digits>`, the others. Hot. */
export interface ModelRecord {
  readonly name: string;
  /** From 1; grows when other content is added under the same name. */
  readonly version: number;
  readonly manifest: ModelManifest;
  readonly file: Pin;
  readonly addedAt: LogTime;
  /** What was asked last about loading it before it is used; absent: nothing. */
  readonly preload?: Preload | undefined;
}

export interface Preload {
  readonly at: LogTime;
  /** true: whatever stands for it; false: not at all; absent: while a name stands for it. */
  readonly wanted?: boolean | undefined;
}

/** `alias/<name>` Hot. */
export interface AliasRecord {
  readonly model: string;
  /** undefined: whichever is the newest. */
  readonly version?: number | undefined;
}

/** `setting/<name>` Hot. */
export interface SettingRecord {
  readonly value: string;
}

/** `key/<idempotency key>` Hot. */
export interface KeyRecord {
  /** Log index and log time of the command that used it first: keys are forgotten in this order. */
  readonly index: number;
  readonly at: LogTime;
  /** Hash of the request the key was first used for. */
  readonly request: string;
  readonly outcome: Outcome;
}
