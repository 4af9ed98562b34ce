/**
 * LevelDB's tables (its doc/table_format.md): blocks, each followed by `[type 1][masked crc32c 4]`, and a footer of 48
 * bytes that says where the two indexes are. LevelDB never checks a block's CRC unless told to, and the binding cannot
 * tell it to.
 */
import { crc32c, unmaskCrc } from "./crc32c.ts";
import { BadBytes, VarintReader } from "./level-varint.ts";

const footerBytes = 48;
const trailerBytes = 5;
const magic = 0xdb4775248b80fb57n;

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/**
 * Verifies every block of a table.
 * @returns how many blocks could not be reached, since a block that leads to them is compressed (a database of an
 *   older version): only that block's own CRC was checked
 * @throws BadBytes naming the first bad block
 */
export function checkTable(bytes: Buffer): { readonly compressedIndexes: number } {
  if (bytes.length < footerBytes) throw new BadBytes("too short for a table");
  const footer = bytes.subarray(bytes.length - footerBytes);
  if (footer.readBigUInt64LE(footerBytes - 8) !== magic)
    throw new BadBytes("the footer is no table's");
  const reader = new VarintReader(footer);
  const indexes = [handle(reader), handle(reader)];
  let compressedIndexes = 0;
  for (const index of indexes) {
    const block = checkBlock(bytes, index);
    if (block === undefined) compressedIndexes += 1;
    else for (const each of handlesIn(block)) checkBlock(bytes, each);
  }
  return { compressedIndexes };
}

function handle(reader: VarintReader): Handle {
  return { offset: reader.number(), size: reader.number() };
}

/** @returns the block, unless it is compressed */
function checkBlock(bytes: Buffer, { offset, size }: Handle): Buffer | undefined {
  const end = offset + size;
  if (end + trailerBytes > bytes.length) throw new BadBytes(`the block at ${offset} is cut off`);
  if (crc32c(bytes, offset, end + 1) !== unmaskCrc(bytes.readUInt32LE(end + 1)))
    throw new BadBytes(`the CRC of the block at ${offset} does not match`);
  return bytes.readUInt8(end) === 0 ? bytes.subarray(offset, end) : undefined;
}

/** The values of an index block, each the place of another block. */
function* handlesIn(block: Buffer): Generator<Handle> {
  if (block.length < 4) throw new BadBytes("an index is too short");
  const restarts = block.readUInt32LE(block.length - 4);
  const end = block.length - 4 * (restarts + 1);
  if (end < 0) throw new BadBytes("an index has more restarts than bytes");
  const reader = new VarintReader(block.subarray(0, end));
  while (!reader.isAtEnd) {
    reader.number(); // bytes that the key shares with the one before
    const ownBytes = reader.number();
    const valueBytes = reader.number();
    reader.take(ownBytes);
    yield handle(new VarintReader(reader.take(valueBytes)));
  }
}
