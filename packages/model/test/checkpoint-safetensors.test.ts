import { readFileSync } from 'node:fs';
import { CheckpointError, type DType, type Stored, stored, UnsupportedError } from '@mamba2/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { goldens, readGoldens } from '../../../fixtures/read.ts';
import { bytesFile } from '../src/checkpoint/file.js';
import { openSafetensors, readSafetensors, writeSafetensors } from '../src/checkpoint/safetensors.js';
import { concat, encode, little } from './support/checkpoint-files.js';

/** A file from a header's text and the data after it. */
const fileOf = (header: string, dataBytes = 0) =>
  concat(little([encode(header).length, 8]), encode(header), new Uint8Array(dataBytes));
const read = (bytes: Uint8Array) => readSafetensors('file', bytes);

describe('reading', () => {
  test("agrees with PyTorch's values, through a reader of the tests' own", async () => {
    const path = 'ssd/packed.safetensors';
    const { tensors } = await read(new Uint8Array(readFileSync(new URL(path, goldens))));
    for (const [name, { shape, values }] of Object.entries(readGoldens(path))) {
      const tensor = tensors.get(name)!;
      expect(tensor.shape).toEqual(shape);
      expect(tensor.dtype).toBe(values instanceof Int32Array ? 'i32' : 'f32');
      expect(
        Buffer.from(tensor.bytes).equals(Buffer.from(values.buffer, values.byteOffset, values.byteLength)),
        name,
      ).toBe(true);
    }
  });

  test('an empty file of tensors, scalars and tensors without elements', async () => {
    expect((await read(fileOf('{}'))).tensors.size).toBe(0);
    const header =
      '{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]}}';
    const { tensors } = await read(fileOf(header, 4));
    expect(tensors.get('s')).toMatchObject({ shape: [], bytes: new Uint8Array(4) });
    expect(tensors.get('e')).toMatchObject({ shape: [3, 0], bytes: new Uint8Array(0) });
  });

  test('types that nothing computes with are known by name until they are loaded', async () => {
    const file = bytesFile('file', fileOf('{"n":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}', 16));
    expect((await openSafetensors(file)).tensors.get('n')).toMatchObject({ dtype: 'i64', byteLength: 16 });
    await expect(readSafetensors('file', await file.read(0, (await file.size())!))).rejects.toThrow(UnsupportedError);
  });

  test('a header longer than the first read', async () => {
    const tensors: Record<string, Stored> = {};
    for (let i = 0; i < 2000; i++) tensors[`layers.${i}.weight`] = stored(Float32Array.of(i));
    const bytes = writeSafetensors(tensors);
    const { tensors: back } = await read(bytes);
    expect(back.get('layers.1999.weight')).toEqual(tensors['layers.1999.weight']);
  });
});

const one = (fields: string) => fileOf(`{"t":{${fields}}}`, 4);
const good = '"dtype":"F32","shape":[1],"data_offsets":[0,4]';

describe('refusing', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /too short/],
    ['seven bytes', new Uint8Array(7), /too short/],
    ['a header past the end', concat(little([1000, 8]), encode('{}')), /ends inside its header/],
    ['a header of 2⁶³ bytes', concat(little([1n << 63n, 8]), encode('{}')), /header is too long/],
    ['a header over the format’s limit', concat(little([100_000_001, 8]), encode('{}')), /header is too long/],
    ['a header that is not UTF-8', concat(little([3, 8]), Uint8Array.of(0x22, 0xff, 0x22)), /UTF-8/],
    ['a header that is not JSON', fileOf('{"t":'), /not valid JSON/],
    ['a header that is a list', fileOf('[]'), /wrong kind of JSON/],
    ['a tensor twice', fileOf(`{"t":{${good}},"t":{${good}}}`, 4), /"t" twice/],
    ['a field twice', one(`${good},"dtype":"F32"`), /"dtype" twice/],
    ['a stray field', one(`${good},"strides":[1]`), /"strides"/],
    ['a tensor that is a number', fileOf('{"t":1}'), /wrong kind of value/],
    ['no shape', one('"dtype":"F32","data_offsets":[0,4]'), /shape/],
    ['an unknown type', one('"dtype":"F42","shape":[1],"data_offsets":[0,4]'), /"F42"/],
    ['a type that is a property of objects', one('"dtype":"toString","shape":[1],"data_offsets":[0,4]'), /"toString"/],
    ['a negative dimension', one('"dtype":"F32","shape":[-1],"data_offsets":[0,4]'), /shape/],
    ['a fractional dimension', one('"dtype":"F32","shape":[1.5],"data_offsets":[0,4]'), /shape/],
    ['a shape of text', one('"dtype":"F32","shape":"1","data_offsets":[0,4]'), /shape/],
    [
      'dimensions that overflow',
      one('"dtype":"F32","shape":[9007199254740991,9007199254740991],"data_offsets":[0,4]'),
      /wrong length/,
    ],
    [
      'dimensions that overflow to zero',
      one('"dtype":"F32","shape":[4294967296,4294967296,0.5],"data_offsets":[0,4]'),
      /shape/,
    ],
    ['three offsets', one('"dtype":"F32","shape":[1],"data_offsets":[0,4,4]'), /offsets/],
    ['offsets backwards', one('"dtype":"F32","shape":[1],"data_offsets":[4,0]'), /start before the end/],
    [
      'offsets past the end',
      one('"dtype":"F32","shape":[2],"data_offsets":[0,8]'),
      /length is not what its header says/,
    ],
    ['a length that is not the shape’s', one('"dtype":"F32","shape":[2],"data_offsets":[0,4]'), /wrong length/],
    ['a hole at the start', fileOf('{"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8), /hole/],
    [
      'overlapping tensors',
      fileOf(`{"t":{${good}},"u":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 6),
      /overlaps/,
    ],
    ['two tensors in one place', fileOf(`{"t":{${good}},"u":{${good}}}`, 4), /overlaps/],
    ['bytes left over', concat(one(good), new Uint8Array(1)), /length is not what its header says/],
    ['metadata that is no text', fileOf('{"__metadata__":{"a":1}}'), /__metadata__/],
    ['a Git LFS pointer', encode('version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'), /git lfs pull/],
  ])('%s', async (_, bytes, message) => {
    const error: unknown = await read(bytes).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as CheckpointError).message).toMatch(message);
  });
});

describe('writing', () => {
  const dtypes = fc.constantFrom<DType>('f64', 'f32', 'f16', 'bf16', 'i32', 'u32');
  const width = { f64: 8, f32: 4, f16: 2, bf16: 2, i32: 4, u32: 4 };
  const tensor = fc
    .record({ dtype: dtypes, shape: fc.array(fc.nat(4), { maxLength: 3 }), fill: fc.nat(255) })
    .map(({ dtype, shape, fill }): Stored => ({
      dtype,
      shape,
      bytes: new Uint8Array(shape.reduce((n, d) => n * d, width[dtype])).fill(fill),
    }));
  const names = fc
    .oneof(fc.string({ unit: 'binary' }), fc.constantFrom('1', '0', '__proto__', 'constructor', 'a.b'))
    .filter((n) => n !== '__metadata__');

  test('what is written is read back, whatever the names', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(names, tensor, { maxKeys: 6, noNullPrototype: true }),
        fc.dictionary(names, fc.string()),
        async (tensors, metadata) => {
          const bytes = writeSafetensors(tensors, metadata);
          const back = await read(bytes);
          expect([...back.tensors].sort()).toEqual(Object.entries(tensors).sort());
          expect(Object.entries(back.metadata).sort()).toEqual(Object.entries(metadata).sort());
          expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
          const reversed = Object.fromEntries(Object.entries(tensors).reverse());
          expect(writeSafetensors(reversed, metadata)).toEqual(bytes);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('every tensor begins at a multiple of its element size', async () => {
    const tensors = {
      a: stored(Float32Array.of(1)),
      b: { dtype: 'f16', shape: [1], bytes: new Uint8Array(2) } as Stored,
      c: stored([1]),
    };
    const opened = await openSafetensors(bytesFile('file', writeSafetensors(tensors)));
    expect([...opened.tensors.keys()]).toEqual(['c', 'a', 'b']);
  });

  test('refuses bytes that contradict the shape, and the name that the format keeps for itself', () => {
    expect(() => writeSafetensors({ t: { dtype: 'f32', shape: [2], bytes: new Uint8Array(4) } })).toThrow(
      CheckpointError,
    );
    expect(() => writeSafetensors({ __metadata__: stored([1]) })).toThrow(UnsupportedError);
  });
});
