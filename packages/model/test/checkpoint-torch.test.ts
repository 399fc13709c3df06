import { Mamba2Error, toFloat64, UnsupportedError } from '@mamba2/core';
import { describe, expect, test } from 'vitest';
import { bytesFile } from '../src/checkpoint/file.js';
import { loadTensor } from '../src/checkpoint/tensor-entry.js';
import { openTorch } from '../src/checkpoint/torch.js';
import {
  concat,
  encode,
  little,
  op,
  orderedDict,
  pickledDict,
  pickledTensor,
  torchArchive,
  zip,
} from './support/checkpoint-files.js';

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const open = (archive: Uint8Array) => openTorch(bytesFile('pytorch_model.bin', archive));
const scalar = pickledTensor({ elements: 1, shape: [1], strides: [1] });
/** An archive around a pickle's opcodes. */
const archiveOf = (...ops: Uint8Array[]) => torchArchive(concat(op.proto(), ...ops, op.stop), { 0: floats(7) });

async function values(archive: Uint8Array, name: string): Promise<number[]> {
  return Array.from(toFloat64(await loadTensor((await open(archive)).get(name)!)));
}

describe('reading', () => {
  test('a parameter, and views that share a storage', async () => {
    const pickle = pickledDict({
      whole: pickledTensor({ elements: 6, shape: [2, 3], strides: [3, 1], parameter: true }),
      row: pickledTensor({ elements: 6, offset: 3, shape: [3], strides: [1] }),
      scalar: pickledTensor({ elements: 6, offset: 5, shape: [], strides: [] }),
      none: pickledTensor({ elements: 6, offset: 6, shape: [0, 4], strides: [4, 1] }),
    });
    const archive = torchArchive(pickle, { 0: floats(1, 2, 3, 4, 5, 6) });
    expect(await values(archive, 'whole')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await values(archive, 'row')).toEqual([4, 5, 6]);
    expect(await values(archive, 'scalar')).toEqual([6]);
    expect(await values(archive, 'none')).toEqual([]);
  });

  test('transposed, stepped and permuted views come in row-major order', async () => {
    const pickle = pickledDict({
      transposed: pickledTensor({ elements: 24, shape: [4, 6], strides: [1, 4] }),
      column: pickledTensor({ elements: 24, offset: 2, shape: [4], strides: [6] }),
      permuted: pickledTensor({ elements: 24, shape: [3, 2, 1, 4], strides: [4, 12, 99, 1] }),
    });
    const archive = torchArchive(pickle, { 0: floats(...Array.from({ length: 24 }, (_, i) => i)) });
    const grid = (shape: number[], at: (...index: number[]) => number): number[] =>
      shape.reduceRight<(...index: number[]) => number[]>(
        (inner, d) =>
          (...index) =>
            Array.from({ length: d }, (_, i) => inner(...index, i)).flat(),
        (...index) => [at(...index)],
      )();
    expect(await values(archive, 'transposed')).toEqual(grid([4, 6], (i, j) => i! + 4 * j!));
    expect(await values(archive, 'column')).toEqual([2, 8, 14, 20]);
    expect(await values(archive, 'permuted')).toEqual(grid([3, 2, 1, 4], (i, j, _, l) => 4 * i! + 12 * j! + l!));
  });

  test('a state dict under "state_dict", beside other plain data', async () => {
    const inner = pickledDict({ t: scalar }).subarray(2, -1);
    const more = [op.text('epoch'), op.int(3), op.text('history'), op.emptyList, op.none, op.append];
    const archive = archiveOf(op.emptyDict, op.mark, ...more, op.text('state_dict'), inner, op.setItems);
    expect(await values(archive, 't')).toEqual([7]);
  });

  test("a module's version attribute", async () => {
    const metadata = concat(op.emptyDict, op.text('_metadata'), orderedDict, op.setItem);
    expect(await values(archiveOf(orderedDict, op.text('t'), scalar, op.setItem, metadata, op.build), 't')).toEqual([
      7,
    ]);
  });

  test('protocol 4: frames, short strings and globals from the stack', async () => {
    const short = (text: string) => concat(little([0x8c, 1], [text.length, 1]), encode(text));
    const global = (module: string, name: string) => concat(short(module), short(name), little([0x93, 1], [0x94, 1]));
    const id = [
      op.mark,
      short('storage'),
      global('torch', 'HalfStorage'),
      short('0'),
      short('cuda:0'),
      little([0x4b, 1], [2, 1]),
      op.tuple,
      op.persId,
    ];
    const args = [op.mark, ...id, op.int(0), op.int(2), op.tuple1, op.int(1), op.tuple1, op.no, op.emptyDict, op.tuple];
    const tensor = concat(global('torch._utils', '_rebuild_tensor_v2'), ...args, op.reduce);
    const pickle = concat(
      op.proto(4),
      little([0x95, 1], [99, 8]),
      op.emptyDict,
      short('t'),
      tensor,
      op.setItem,
      op.stop,
    );
    // binary16 1.0 and −2.0
    expect(await values(torchArchive(pickle, { 0: little([0x3c00, 2], [0xc000, 2]) }), 't')).toEqual([1, -2]);
  });

  test('element types that nothing computes with are refused by name when loaded', async () => {
    const pickle = pickledDict({ n: pickledTensor({ storage: 'LongStorage', elements: 1, shape: [1], strides: [1] }) });
    await expect(values(torchArchive(pickle, { 0: new Uint8Array(8) }), 'n')).rejects.toThrow(
      /tensor n has element type i64/,
    );
  });
});

const view = (more: Partial<Parameters<typeof pickledTensor>[0]>) =>
  archiveOf(orderedDict, op.text('t'), pickledTensor({ elements: 1, shape: [1], strides: [1], ...more }), op.setItem);
const callOf = (module: string, name: string, ...args: Uint8Array[]) =>
  archiveOf(op.global(module, name), op.mark, ...args, op.tuple, op.reduce);

describe('refusing', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['a shell', callOf('posix', 'system', op.text('true')), /"posix.system"/],
    [
      'a shell under a state dict',
      archiveOf(orderedDict, op.text('t'), op.global('os', 'system'), op.text('x'), op.tuple1, op.reduce, op.setItem),
      /"os.system"/,
    ],
    ['eval', callOf('builtins', 'eval', op.text('1')), /"builtins.eval"/],
    ['an attribute of an allowed module', callOf('torch._utils', '_rebuild_tensor_v2.__globals__'), /__globals__/],
    ['a numpy scalar', callOf('numpy.core.multiarray', 'scalar'), /numpy.core.multiarray.scalar/],
    ['a property of objects', archiveOf(op.global('torch', 'constructor')), /"torch.constructor"/],
    ['a global from the stack', archiveOf(op.text('os'), op.text('system'), little([0x93, 1])), /"os.system"/],
    ['calling a tensor', archiveOf(scalar, op.emptyTuple, op.reduce), /calls a tensor/],
    ['calling text', archiveOf(op.text('f'), op.emptyTuple, op.reduce), /calls "f"/],
    ['calling with a list', archiveOf(op.global('collections', 'OrderedDict'), op.emptyList, op.reduce), /a list of 0/],
    [
      'an ordered dict of arguments',
      callOf('collections', 'OrderedDict', op.emptyList),
      /calls collections.OrderedDict with 1/,
    ],
    ['attributes on a tensor', archiveOf(scalar, op.emptyDict, op.build), /gives attributes to a tensor/],
    ['NEWOBJ', archiveOf(op.global('collections', 'OrderedDict'), op.emptyTuple, little([0x81, 1])), /NEWOBJ/],
    ['INST', archiveOf(op.mark, encode('ios\nsystem\n')), /INST/],
    ['an extension code', archiveOf(little([0x82, 1], [1, 1])), /EXT1/],
    ['an unknown opcode', archiveOf(little([0xff, 1])), /opcode \(0xff\) at byte 2/],
    ['protocol 0', torchArchive(concat(op.proto(0), op.emptyDict, op.stop)), /protocol 0/],
    ['an empty pickle', torchArchive(new Uint8Array(0)), /cut short/],
    ['a pickle without an end', torchArchive(concat(op.proto(), op.emptyDict)), /cut short/],
    ['a string past the end', torchArchive(concat(op.proto(), little([0x58, 1], [0xffffffff, 4]))), /cut short/],
    ['a string that is not UTF-8', archiveOf(little([0x58, 1], [1, 4], [0xff, 1])), /UTF-8/],
    ['an integer past 2⁵³', archiveOf(op.long(1n << 60n)), /integer that is no size/],
    ['an empty stack', archiveOf(), /nothing on the stack/],
    ['popping past a mark', archiveOf(op.emptyDict, op.mark, op.append), /nothing on the stack/],
    ['a group never opened', archiveOf(op.tuple), /no open group/],
    ['a group left open', archiveOf(op.mark, op.emptyDict), /left over/],
    ['two values', archiveOf(op.emptyDict, op.emptyDict), /left over/],
    ['an empty memo', archiveOf(op.get(3)), /memo 3/],
    ['items on a tuple', archiveOf(op.emptyTuple, op.none, op.append), /a tuple of 0, not a list/],
    ['keys on a list', archiveOf(op.emptyList, op.text('k'), op.none, op.setItem), /a list of 0, not a dict/],
    [
      'a key twice',
      archiveOf(orderedDict, op.text('t'), scalar, op.setItem, op.text('t'), scalar, op.setItem),
      /a key twice/,
    ],
    ['a list', archiveOf(op.emptyList), /not a state dict/],
    ['a dict of numbers', archiveOf(op.emptyDict, op.text('a'), op.int(1), op.setItem), /"a": 1/],
    ['an unknown persistent id', archiveOf(op.text('module'), op.persId), /persistent id/],
    [
      'a storage of another type each time',
      archiveOf(
        orderedDict,
        op.text('a'),
        scalar,
        op.setItem,
        op.text('b'),
        pickledTensor({ storage: 'IntStorage', elements: 1, shape: [1], strides: [1] }),
        op.setItem,
      ),
      /storage 0 in two ways/,
    ],
    ['a storage that is not there', view({ key: '9' }), /storage 9, which is missing/],
    ['a storage outside its folder', view({ key: '../data.pkl' }), /missing/],
    ['a storage longer than its entry', view({ elements: 2 }), /wrong length/],
    ['a storage of 2⁵³ elements', view({ elements: Number.MAX_SAFE_INTEGER }), /wrong length/],
    ['a tensor longer than its storage', view({ shape: [2] }), /leaves its storage/],
    ['an offset past the storage', view({ offset: 1 }), /leaves its storage/],
    ['a shape of 2⁶²', view({ shape: [2 ** 31 - 1, 2 ** 31 - 1], strides: [0, 0] }), /leaves its storage/],
    ['an expanded tensor', view({ shape: [1000], strides: [0] }), /overlap/],
    ['a negative dimension', view({ shape: [-1] }), /unknown way/],
    ['a negative stride', view({ strides: [-1] }), /unknown way/],
    ['strides of another number', view({ strides: [1, 1] }), /unknown way/],
  ])('%s', async (_, archive, message) => {
    const error: unknown = await open(archive).then(
      () => 'it opened',
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Mamba2Error);
    expect((error as Mamba2Error).message).toMatch(message);
  });

  test('overlapping elements that are not expanded', async () => {
    const pickle = pickledDict({ t: pickledTensor({ elements: 8, shape: [3, 3], strides: [2, 1] }) });
    await expect(open(torchArchive(pickle, { 0: new Uint8Array(32) }))).rejects.toThrow(/overlap/);
  });

  test('tuples nested a hundred thousand deep end, and take no recursion', async () => {
    const nested = concat(op.emptyTuple, new Uint8Array(100_000).fill(op.tuple1[0]!));
    await expect(open(archiveOf(nested))).rejects.toThrow(/not a state dict/);
  });

  test('a list that holds itself, and memo that doubles at every step', async () => {
    await expect(open(archiveOf(op.emptyList, op.put(0), op.get(0), op.append))).rejects.toThrow(/not a state dict/);
    const double = concat(op.put(0), op.get(0), op.tuple2);
    await expect(open(archiveOf(op.emptyTuple, ...Array.from({ length: 5000 }, () => double)))).rejects.toThrow(
      /not a state dict/,
    );
  });

  test('more steps than a state dict could need', async () => {
    await expect(open(archiveOf(new Uint8Array(1_100_000).fill(op.none[0]!)))).rejects.toThrow(
      /more than 1000000 steps/,
    );
  });

  test('archives that torch.save does not write', async () => {
    const empty = concat(op.proto(), op.emptyDict, op.stop);
    const pickle = { name: 'archive/data.pkl', data: empty };
    await expect(open(zip([pickle, { name: 'archive/byteorder', data: encode('big') }]))).rejects.toThrow(
      /byte order; given: big/,
    );
    await expect(open(torchArchive(empty, {}, [{ name: 'archive/constants.pkl', data: empty }]))).rejects.toThrow(
      /TorchScript/,
    );
    await expect(open(zip([{ name: 'other.txt', data: empty }]))).rejects.toThrow(/0 entries called data.pkl/);
    await expect(open(zip([pickle, { name: 'b/data.pkl', data: empty }]))).rejects.toThrow(/2 entries called data.pkl/);
    expect((await open(zip([pickle]))).size).toBe(0);
  });

  test('the format of torch before 1.6', async () => {
    // A pickle, protocol 2, of the integer 0x1950a86a20f9469cfc6c, as torch/serialization.py names its magic number.
    const magic = concat(
      op.proto(),
      little([0x8a, 1], [10, 1], [0x46_9c_fc_6c, 4], [0xa8_6a_20_f9, 4], [0x1950, 2]),
      op.stop,
    );
    await expect(open(magic)).rejects.toThrow(UnsupportedError);
    await expect(open(magic)).rejects.toThrow(/before 1\.6/);
  });
});
