/**
 * The mark: a small file beside LevelDB that knows how far the log reached and how this node voted, because LevelDB
 * may lose the end of its own log silently. Two slots of 512 bytes are written in turn, each synced (O_DSYNC), so that
 * a torn write leaves the other.
 *
 * Invariants
 *  M1 the mark is raised only to what a LevelDB sync has already made durable;
 *  M2 before a write truncates the log below the mark, the mark is synced down to the kept prefix;
 *  M3 term and vote are durable in the mark and in LevelDB before an answer that depends on them leaves.
 * So on open the log must contain the mark's entry (index, chain); if not, the log is damaged.
 */
import { constants } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { IDunnoError } from "../../lib/errors.ts";
import { LogIndex, NodeId, Term } from "../../lib/types.ts";
import type { HardState } from "../../raft/types.ts";
import type { FileSystem, OpenFile } from "./disk.ts";
import { chainBytes } from "./entry-codec.ts";

const slotBytes = 512;
const maxVoteBytes = 64;
const voteAt = 53;
const damagedAt = voteAt + maxVoteBytes;

export interface Mark {
  /** The last entry known durable. */
  readonly index: LogIndex;
  readonly term: Term;
  readonly chain: Uint8Array;
  readonly hardState: HardState;
  /** Damage was found and is not healed: a second note of it, since the first is in the database that was damaged. */
  readonly isDamaged: boolean;
}

export class MarkFile {
  readonly #file: OpenFile;
  readonly #path: string;
  #sequence: number;
  #last: Mark | undefined;

  private constructor(
    file: OpenFile,
    path: string,
    found: { sequence: number; mark: Mark } | undefined,
  ) {
    this.#file = file;
    this.#path = path;
    this.#sequence = found?.sequence ?? 0;
    this.#last = found?.mark;
  }

  /** Opens the mark of a data directory. {@link last} is undefined when there is none, or none that is whole. */
  static async open(directory: string, files: FileSystem): Promise<MarkFile> {
    const path = join(directory, "mark");
    // O_DSYNC: a write returns when it is on the disk, which is one trip through libuv's pool instead of two.
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC;
    const file = await files.open(path, flags, 0o644);
    const bytes = Buffer.alloc(2 * slotBytes);
    await file.read(bytes, 0, bytes.length, 0);
    const slots = [decode(bytes.subarray(0, slotBytes)), decode(bytes.subarray(slotBytes))].filter(
      (slot) => slot !== undefined,
    );
    const [newest] = slots.toSorted((a, b) => b.sequence - a.sequence);
    return new MarkFile(file, path, newest);
  }

  get last(): Mark | undefined {
    return this.#last;
  }

  /** Durable when it returns. One at a time: the store awaits each. */
  async write(mark: Mark): Promise<void> {
    this.#sequence += 1;
    const bytes = encode(this.#sequence, mark);
    try {
      await this.#file.write(bytes, 0, slotBytes, (this.#sequence % 2) * slotBytes);
    } catch (cause) {
      throw new IDunnoError("STORAGE_FAILED", { what: `a write to ${this.#path}` }, { cause });
    }
    this.#last = mark;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** `[crc 4][sequence 8][index 8][term 8][chain 16][hard term 8][vote length 1, 255: none][vote 64][damaged 1]`, then zeros. */
function encode(sequence: number, mark: Mark): Buffer {
  const bytes = Buffer.alloc(slotBytes);
  bytes.writeBigUInt64BE(BigInt(sequence), 4);
  bytes.writeBigUInt64BE(BigInt(mark.index), 12);
  bytes.writeBigUInt64BE(BigInt(mark.term), 20);
  bytes.set(mark.chain, 28);
  bytes.writeBigUInt64BE(BigInt(mark.hardState.term), 44);
  const vote = mark.hardState.vote;
  const voteBytes = Buffer.from(vote ?? "");
  bytes.writeUInt8(vote === undefined ? 255 : Math.min(voteBytes.length, maxVoteBytes), 52);
  bytes.set(voteBytes.subarray(0, maxVoteBytes), voteAt);
  bytes.writeUInt8(mark.isDamaged ? 1 : 0, damagedAt);
  bytes.writeUInt32BE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

function decode(bytes: Buffer): { sequence: number; mark: Mark } | undefined {
  if (bytes.readUInt32BE(0) !== crc32(bytes.subarray(4))) return undefined;
  const voteLength = bytes.readUInt8(52);
  return {
    sequence: Number(bytes.readBigUInt64BE(4)),
    mark: {
      index: LogIndex(Number(bytes.readBigUInt64BE(12))),
      term: Term(Number(bytes.readBigUInt64BE(20))),
      chain: new Uint8Array(bytes.subarray(28, 28 + chainBytes)),
      hardState: {
        term: Term(Number(bytes.readBigUInt64BE(44))),
        vote:
          voteLength === 255
            ? undefined
            : NodeId(bytes.toString("utf8", voteAt, voteAt + voteLength)),
      },
      isDamaged: bytes.readUInt8(damagedAt) === 1,
    },
  };
}
