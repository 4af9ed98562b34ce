/** What has been committed, the same for all and for ever: every node is compared with it. */
import { LogIndex, type NodeId } from "../../../src/lib/types.ts";
import { simpleConfiguration } from "../../../src/raft/configuration.ts";
import type { ConfigurationAt, Entry, LogBase, SnapshotMeta } from "../../../src/raft/types.ts";
import { decoded } from "./disk.ts";

export class Truth {
  readonly entries: Entry[] = [];
  /** In which term each was committed. */
  readonly #terms: number[] = [];
  /** The committed configurations, oldest first. */
  readonly configurations: ConfigurationAt[];

  constructor(founders: readonly NodeId[]) {
    this.configurations = [{ index: LogIndex(0), configuration: simpleConfiguration(founders) }];
  }

  get length(): number {
    return this.entries.length;
  }

  at(index: number): Entry | undefined {
    return this.entries[index - 1];
  }

  text(index: number): string | undefined {
    const entry = this.at(index);
    return entry?.kind === "command" ? new TextDecoder().decode(entry.data) : entry?.kind;
  }

  /** The last entry committed in a term before this one. */
  newestBefore(term: number): Entry | undefined {
    return this.entries[this.#terms.findLastIndex((each) => each < term)];
  }

  add(entry: Entry, term: number): void {
    if (entry.index !== this.length + 1) throw new Error(`committed ${entry.index} out of turn`);
    this.entries.push(entry);
    this.#terms.push(term);
    if (entry.kind === "configuration")
      this.configurations.push({ index: entry.index, configuration: decoded(entry.data) });
  }

  configurationAsOf(index: number): ConfigurationAt {
    const found = this.configurations.findLast((each) => each.index <= index);
    if (found === undefined) throw new Error("the founders' configuration is always there");
    return found;
  }

  /** R4: a committed entry is the same everywhere. */
  compare(who: string, entry: Entry): void {
    const truth = this.at(entry.index);
    if (truth === undefined || truth === entry) return;
    if (
      truth.term !== entry.term ||
      truth.kind !== entry.kind ||
      Buffer.compare(truth.data, entry.data) !== 0
    )
      throw new Error(
        `R4: ${who} has ${entry.index}/${entry.term} where ${truth.index}/${truth.term} was committed`,
      );
  }

  compareBase(who: string, { index, term }: LogBase): void {
    const truth = this.at(index);
    if (index > this.length) throw new Error(`R4: ${who} begins at ${index}, not committed`);
    if (truth !== undefined && truth.term !== term)
      throw new Error(`R4: ${who} begins at ${index}/${term}, committed was term ${truth.term}`);
  }

  compareSnapshot(who: string, snapshot: SnapshotMeta): void {
    this.compareBase(`${who}'s snapshot`, snapshot);
    const own = JSON.stringify(snapshot.configuration);
    const truth = JSON.stringify(this.configurationAsOf(snapshot.index).configuration);
    if (own !== truth)
      throw new Error(`R11: ${who}'s snapshot of ${snapshot.index} says ${own}, not ${truth}`);
  }
}
