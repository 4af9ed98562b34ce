/** Arrays as NumPy writes and reads them; what Python makes of ours is asked where there is Python. */
import { spawnSync } from "node:child_process";
import { deflateRawSync } from "node:zlib";
import test from "ava";
import fc from "fast-check";
import { npyHeader, readNpy } from "../../src/inference/npy.ts";
import { isNpz, type NamedArray, Npz, npzOf } from "../../src/inference/npz.ts";
import { bytesOfRow, type TensorType, tensorTypes } from "../../src/lib/tensors.ts";
import { holds } from "../lib/property.ts";
import { numpyFile, readZip } from "./numpy-files.ts";

const type = fc.constantFrom(...tensorTypes);
const shape = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });
const array = fc.tuple(type, shape).chain(([of, sizes]) =>
  fc
    .uint8Array({
      minLength: bytesOfRow([{ type: of, shape: sizes }]),
      maxLength: bytesOfRow([{ type: of, shape: sizes }]),
    })
    .map((data) => ({ type: of, shape: sizes, data })),
);

const npy = (given: {
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}): Buffer => Buffer.concat([npyHeader(given.type, given.shape), given.data]);

test("an array is read back as written, and stands at a multiple of 64 bytes", (t) => {
  holds(
    t,
    fc.property(array, (given) => {
      const bytes = npy(given);
      t.is((bytes.length - given.data.length) % 64, 0);
      const read = readNpy(bytes);
      t.is(read.kind, "array");
      if (read.kind !== "array") return;
      t.deepEqual(
        { ...read.array, data: [...read.array.data] },
        { ...given, data: [...given.data] },
      );
    }),
  );
});

test("a header is what NumPy writes, byte for byte", (t) => {
  // numpy.save of zeros((2, 3), '<f4'), zeros(5, '<i8') and float64(0).
  for (const [of, sizes, text] of [
    ["float32", [2, 3], "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"],
    ["int64", [5], "{'descr': '<i8', 'fortran_order': False, 'shape': (5,), }"],
    ["float64", [], "{'descr': '<f8', 'fortran_order': False, 'shape': (), }"],
    ["bool", [1, 1], "{'descr': '|b1', 'fortran_order': False, 'shape': (1, 1), }"],
  ] as const)
    t.deepEqual(
      Buffer.from(npyHeader(of, sizes)).toString("latin1"),
      `\x93NUMPY\x01\x00\x76\x00${text.padEnd(117)}\n`,
    );
});

for (const [what, bytes, code] of [
  ["nothing", Buffer.alloc(0), "not_an_array"],
  ["a text", Buffer.from("1 2 3"), "not_an_array"],
  ["a header without values", numpyFile("<f4", "(2,)", Buffer.alloc(0)), "not_an_array"],
  ["bytes behind the values", numpyFile("<f4", "(2,)", Buffer.alloc(9)), "not_an_array"],
  ["a negative size", numpyFile("<f4", "(-2,)", Buffer.alloc(8)), "not_an_array"],
  ["a shape that is no tuple", numpyFile("<f4", "[2]", Buffer.alloc(8)), "not_an_array"],
  [
    "a header that ends nowhere",
    Buffer.from("\x93NUMPY\x01\x00\xff\xff{", "latin1"),
    "not_an_array",
  ],
  [
    "a header of 4 GiB",
    Buffer.from("\x93NUMPY\x02\x00\xff\xff\xff\xff{", "latin1"),
    "not_an_array",
  ],
  [
    "a format of the future",
    Buffer.from("\x93NUMPY\x04\x00\x00\x00\x00\x00", "latin1"),
    "unsupported_array",
  ],
  ["big-endian values", numpyFile(">f4", "(2,)", Buffer.alloc(8)), "unsupported_array"],
  ["half floats", numpyFile("<f2", "(2,)", Buffer.alloc(4)), "unsupported_array"],
  ["Python's objects", numpyFile("|O", "(2,)", Buffer.alloc(8)), "unsupported_array"],
  ["columns first", numpyFile("<f4", "(2, 2)", Buffer.alloc(16), "True"), "unsupported_array"],
  [
    "records",
    Buffer.from(
      numpyFile("X", "(2,)", Buffer.alloc(8)).toString("latin1").replace("'X'", "[ ]"),
      "latin1",
    ),
    "unsupported_array",
  ],
] as const)
  test(`${what} is an error of its own: ${code}`, (t) => {
    t.deepEqual(readNpy(bytes), { kind: "error", code });
  });

test("a header of another version, order of fields or spacing is read", (t) => {
  const data = Buffer.from([1, 2, 3]);
  const text = "{ 'shape': (3, ) ,'descr':'|u1',  'fortran_order':True }   \n";
  const header = Buffer.alloc(12);
  header.write("\x93NUMPY\x03\x00", "latin1");
  header.writeUInt32LE(text.length, 8);
  const read = readNpy(Buffer.concat([header, Buffer.from(text), data]));
  t.deepEqual(read.kind === "array" ? { ...read.array, data: [...read.array.data] } : read, {
    type: "uint8",
    shape: [3],
    data: [1, 2, 3],
  });
});

test("no header makes reading slow or throws", (t) => {
  holds(
    t,
    fc.property(fc.string({ maxLength: 200 }), fc.uint8Array({ maxLength: 40 }), (text, data) => {
      const header = Buffer.alloc(10);
      header.write("\x93NUMPY\x01\x00", "latin1");
      const body = Buffer.from(`{'descr': '<f4', 'fortran_order': False, 'shape': (${text}), }`);
      header.writeUInt16LE(body.length, 8);
      t.truthy(readNpy(Buffer.concat([header, body, data])).kind);
    }),
  );
  const digits = `(${"1".repeat(65_000)}`;
  t.deepEqual(readNpy(numpyFile("<f4", digits, Buffer.alloc(0))), {
    kind: "error",
    code: "not_an_array",
  });
});

const archive = fc.uniqueArray(
  fc.tuple(fc.stringMatching(/^[a-zä/:_]{1,8}$/), array).map(([name, of]) => ({ name, ...of })),
  { selector: ({ name }) => name, maxLength: 4 },
);

test("an archive is read back as written, by another reader too, and equal arrays give equal bytes", (t) => {
  holds(
    t,
    fc.property(archive, (arrays: NamedArray[]) => {
      const bytes = Buffer.concat(npzOf(arrays));
      t.deepEqual(Buffer.concat(npzOf(structuredClone(arrays))), bytes);
      const files = readZip(bytes);
      t.deepEqual(
        files.map(({ name }) => name),
        arrays.map(({ name }) => `${name}.npy`),
      );
      const read = Npz.read(bytes);
      for (const [i, given] of arrays.entries()) {
        t.deepEqual(files[i]?.bytes, npy(given));
        const found = read?.file(given.name, 10_000);
        t.deepEqual(found?.kind === "bytes" ? Buffer.from(found.bytes) : found, npy(given));
      }
      t.is(isNpz(bytes), arrays.length > 0);
      t.is(read?.file("other", 10_000), undefined);
    }),
  );
});

const values = npy({ type: "float32", shape: [1_000], data: new Uint8Array(4_000) });
const plain = Buffer.concat(
  npzOf([{ name: "x", type: "float32", shape: [1_000], data: new Uint8Array(4_000) }]),
);

/** The archive with its one file deflated, as `numpy.savez_compressed` has it. */
function compressed(claimed = values.length): Buffer {
  const packed = deflateRawSync(values);
  const head = Buffer.from(plain.subarray(0, 30 + 5));
  const central = Buffer.from(plain.subarray(35 + values.length, -22));
  const end = Buffer.from(plain.subarray(-22));
  for (const [header, at] of [
    [head, 8],
    [central, 10],
  ] as const) {
    header.writeUInt16LE(8, at);
    header.writeUInt32LE(packed.length, at + 10);
    header.writeUInt32LE(claimed, at + 14);
  }
  end.writeUInt32LE(35 + packed.length, 16);
  return Buffer.concat([head, packed, central, end]);
}

test("a deflated file is read, never beyond what is allowed or what it says", (t) => {
  const of = (bytes: Buffer, limit: number) => Npz.read(bytes)?.file("x", limit);
  t.deepEqual(of(compressed(), 10_000), { kind: "bytes", bytes: values });
  t.deepEqual(of(compressed(), 1_000), { kind: "error", code: "wrong_shape" });
  t.deepEqual(of(compressed(100), 1_000), { kind: "error", code: "not_an_array" });
  t.deepEqual(of(compressed(0), 1_000), { kind: "error", code: "not_an_array" });
});

test("an archive with a byte that was changed is refused or read as it was, and never crashes the reader", (t) => {
  holds(
    t,
    fc.property(fc.nat(plain.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const damaged = Buffer.from(plain);
      damaged[at] = (damaged[at] ?? 0) ^ by;
      const found = Npz.read(damaged)?.file("x", 10_000);
      if (found?.kind === "bytes") t.deepEqual(Buffer.from(found.bytes), values);
      else t.pass();
    }),
    500,
  );
});

test("an archive that is cut off anywhere is none", (t) => {
  for (let bytes = 0; bytes < plain.length; bytes += 7)
    t.is(Npz.read(plain.subarray(0, bytes)), undefined);
});

test("Python opens what is written, and what NumPy writes is read", (t) => {
  const python = (script: string, input: Uint8Array): Buffer | undefined => {
    const { status, stdout } = spawnSync("python3", ["-c", script], { input });
    return status === 0 ? stdout : undefined;
  };
  const names = python(
    "import sys, io, zipfile; z = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())); assert z.testzip() is None; print(z.namelist())",
    plain,
  );
  if (names === undefined) t.log("there is no Python here");
  else t.is(names.toString().trim(), "['x.npy']");
  const given: NamedArray[] = [
    {
      name: "a",
      type: "int64",
      shape: [2],
      data: new Uint8Array(BigInt64Array.of(7n, -1n).buffer),
    },
    { name: "b", type: "bool", shape: [1, 2], data: Uint8Array.of(0, 1) },
  ];
  const script = (save: string): string =>
    `import sys, io, numpy; z = numpy.load(io.BytesIO(sys.stdin.buffer.read())); assert z['a'].tolist() == [7, -1] and z['b'].tolist() == [[False, True]]; numpy.${save}(sys.stdout.buffer, **z)`;
  for (const save of ["savez", "savez_compressed"]) {
    const written = python(script(save), Buffer.concat(npzOf(given)));
    if (written === undefined) {
      t.log("there is no NumPy here");
      break;
    }
    const read = Npz.read(written);
    for (const of of given) {
      const file = read?.file(of.name, 1_000);
      t.deepEqual(file?.kind === "bytes" ? Buffer.from(file.bytes) : file, npy(of));
    }
  }
});
