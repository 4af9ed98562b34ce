/** NumPy files for tests, written and read without the code under test. */
import { inflateRawSync } from "node:zlib";

/** A `.npy` file of version 1 that says this of itself. */
export function numpyFile(descr: string, shape: string, data: Uint8Array, order = "False"): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11);
  const header = Buffer.from(`\x93NUMPY\x01\x00..${padded}\n`, "latin1");
  header.writeUInt16LE(padded.length + 1, 8);
  return Buffer.concat([header, data]);
}

/** A `.npy` file of float32 values. */
export function floatsFile(shape: readonly number[], values: readonly number[]): Buffer {
  const data = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) data.writeFloatLE(value, 4 * i);
  return numpyFile("<f4", `(${shape.map((size) => `${size},`).join(" ")})`, data);
}

export interface ZippedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

/** The files of an archive, one local header after the other: what the directory says is not looked at. */
export function readZip(zip: Buffer): ZippedFile[] {
  const files: ZippedFile[] = [];
  for (let at = 0; at + 4 <= zip.length && zip.readUInt32LE(at) === 0x04034b50;) {
    const method = zip.readUInt16LE(at + 8);
    const packed = zip.readUInt32LE(at + 18);
    const names = at + 30;
    const from = names + zip.readUInt16LE(at + 26) + zip.readUInt16LE(at + 28);
    const bytes = zip.subarray(from, from + packed);
    files.push({
      name: zip.toString("utf8", names, names + zip.readUInt16LE(at + 26)),
      bytes: method === 0 ? bytes : inflateRawSync(bytes),
    });
    at = from + packed;
  }
  return files;
}

export interface ReadNumpy {
  readonly descr: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** A `.npy` file of version 1 with numbers in it. */
export function readNumpy(file: Buffer): ReadNumpy {
  const start = 10 + file.readUInt16LE(8);
  const header = file.toString("latin1", 10, start);
  const descr = /'descr': '(..?\d)'/.exec(header)?.[1] ?? "none";
  const shape = (/'shape': \((.*?)\)/.exec(header)?.[1] ?? "").split(",").flatMap((size) => {
    const text = size.trim();
    return text === "" ? [] : [Number(text)];
  });
  const data = file.subarray(start);
  const count = shape.reduce((a, b) => a * b, 1);
  const read: Readonly<Record<string, (i: number) => number>> = {
    "<f4": (i) => data.readFloatLE(4 * i),
    "<f8": (i) => data.readDoubleLE(8 * i),
    "<i4": (i) => data.readInt32LE(4 * i),
    "<i8": (i) => Number(data.readBigInt64LE(8 * i)),
    "|u1": (i) => data.readUInt8(i),
    "|b1": (i) => data.readUInt8(i),
  };
  const one = read[descr];
  if (one === undefined) throw new Error(`descr ${descr}`);
  return { descr, shape, values: Array.from({ length: count }, (_, i) => one(i)) };
}
