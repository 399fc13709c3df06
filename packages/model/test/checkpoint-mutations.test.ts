import { Mamba2Error } from '@mamba2/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  concat,
  decode,
  encode,
  type Files,
  goldenFiles,
  little,
  op,
  openAll,
  slowCrc32,
  withJson,
  zip,
  type ZipPart,
} from './support/checkpoint-files.js';

/** What can happen to a file: bits flip, bytes go, come or are cut off. */
type Mutation = (bytes: Uint8Array) => Uint8Array;

const flip =
  (at: number, bit: number): Mutation =>
  (bytes) =>
    bytes.map((byte, i) => (i === at % bytes.length ? byte ^ (1 << bit) : byte));
const truncate =
  (at: number): Mutation =>
  (bytes) =>
    bytes.slice(0, at % bytes.length);
const splice =
  (at: number, remove: number, insert: Uint8Array): Mutation =>
  (bytes) =>
    concat(bytes.subarray(0, at % bytes.length), insert, bytes.subarray((at % bytes.length) + remove));

const inserts = fc.oneof(fc.uint8Array({ maxLength: 8 }), fc.string({ maxLength: 8 }).map(encode));

/** @param within the part of the file that is hit: its first so many bytes */
function mutations(within: number): fc.Arbitrary<Mutation> {
  const at = fc.nat(within - 1);
  return fc.oneof(
    { weight: 3, arbitrary: fc.tuple(at, fc.nat(7)).map(([i, bit]) => flip(i, bit)) },
    { weight: 1, arbitrary: at.map(truncate) },
    {
      weight: 2,
      arbitrary: fc.tuple(at, fc.nat(8), inserts).map(([i, n, bytes]) => splice(i, n, bytes)),
    },
  );
}

/** The same text with one number changed, as a liar would. */
const numbers = fc.constantFrom(
  '0',
  '1',
  '-1',
  '1.5',
  '1e999',
  '4294967296',
  '9007199254740991',
  '99999999999999999999',
  'null',
  '[]',
  '"1"',
  '{}',
);
const renumber = (text: string, which: number, number: string): string => {
  const found = [...text.matchAll(/-?\d+(?:\.\d+)?(?:e-?\d+)?/g)];
  const hit = found[which % found.length]!;
  return text.slice(0, hit.index) + number + text.slice(hit.index + hit[0].length);
};

/** Loads the very same model, or throws a typed error; `openAll` fails the test for any other. */
async function sameOrRefused(files: Files, truth: Map<string, string>): Promise<void> {
  const result = await openAll(files);
  if (!(result instanceof Mamba2Error)) expect(result).toEqual(truth);
}

const run = (property: fc.IAsyncProperty<[Mutation]> | fc.IAsyncProperty<[number, string]>, numRuns: number) =>
  fc.assert(property as fc.IAsyncProperty<[Mutation]>, { numRuns });

async function original(files: Files): Promise<Map<string, string>> {
  const result = await openAll(files);
  if (result instanceof Mamba2Error) throw result;
  return result;
}

describe('safetensors', () => {
  const files = goldenFiles('hf_mamba1_tiny');
  const file = files['model.safetensors']!;
  const headerEnd = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  // The format has no checksum: a flipped bit among the values is another value.
  const mutated = (change: Mutation): Files => ({ ...files, 'model.safetensors': change(file) });

  test('a damaged header', async () => {
    const truth = await original(files);
    await run(
      fc.asyncProperty(mutations(headerEnd), (change) => sameOrRefused(mutated(change), truth)),
      400,
    );
  });

  test('a file cut anywhere', async () => {
    const truth = await original(files);
    await run(
      fc.asyncProperty(fc.nat(file.length - 1).map(truncate), (change) => sameOrRefused(mutated(change), truth)),
      50,
    );
  });

  test('a header with a number changed, its length mended', async () => {
    const truth = await original(files);
    const header = decode(file.subarray(8, headerEnd));
    const lie =
      (which: number, number: string): Mutation =>
      (bytes) => {
        const text = encode(renumber(header, which, number));
        return concat(little([text.length, 8]), text, bytes.subarray(headerEnd));
      };
    await run(
      fc.asyncProperty(fc.nat(), numbers, (which, number) => sameOrRefused(mutated(lie(which, number)), truth)),
      200,
    );
  });
});

describe('shards', () => {
  test('a damaged index', async () => {
    const files = goldenFiles('hf_mamba2_bf16_sharded');
    const truth = await original(files);
    const index = 'model.safetensors.index.json';
    const property = fc.asyncProperty(mutations(files[index]!.length), (change) =>
      sameOrRefused({ ...files, [index]: change(files[index]!) }, truth),
    );
    await run(property, 200);
  });
});

describe('torch archives', () => {
  const files = goldenFiles('orig_mamba2_groups_f16');
  const file = files['pytorch_model.bin']!;
  const mutated = (bytes: Uint8Array): Files => ({ ...files, 'pytorch_model.bin': bytes });

  test('damage anywhere', async () => {
    const truth = await original(files);
    await run(
      fc.asyncProperty(mutations(file.length), (change) => sameOrRefused(mutated(change(file)), truth)),
      200,
    );
  });

  test('damage to the directory', async () => {
    const truth = await original(files);
    const start = file.length - 4000;
    const atEnd = mutations(file.length - start).map(
      (change): Mutation =>
        (bytes) =>
          concat(bytes.subarray(0, start), change(bytes.subarray(start))),
    );
    await run(
      fc.asyncProperty(atEnd, (change) => sameOrRefused(mutated(change(file)), truth)),
      400,
    );
  });

  /** The archive's entries, by a reading of the tests' own: local headers one after another, each with its data and a descriptor. */
  const entries = (() => {
    const parts: (ZipPart & { data: Uint8Array<ArrayBuffer> })[] = [];
    const buffer = Buffer.from(file);
    const sizes = new Map<string, number>();
    for (let at = buffer.indexOf('PK\x01\x02'); at >= 0; at = buffer.indexOf('PK\x01\x02', at + 46)) {
      sizes.set(buffer.toString('utf8', at + 46, at + 46 + buffer.readUInt16LE(at + 28)), buffer.readUInt32LE(at + 24));
    }
    for (const [name, size] of sizes) {
      const header = buffer.indexOf(`PK\x03\x04`, buffer.indexOf(name) - 30);
      const start = header + 30 + name.length + buffer.readUInt16LE(header + 28);
      const data = file.slice(start, start + size);
      parts.push({ name, data, crc: slowCrc32(data) });
    }
    return parts;
  })();
  const pickle = entries.find(({ name }) => name.endsWith('data.pkl'))!.data;
  const withPickle = (bytes: Uint8Array) =>
    mutated(zip(entries.map((part) => (part.name.endsWith('data.pkl') ? { name: part.name, data: bytes } : part))));

  test('rebuilt with another writer, the archive holds the same model', async () => {
    expect(await original(withPickle(pickle))).toEqual(await original(files));
  });

  test('a damaged pickle under a good checksum gives a model of the right shapes or a typed error', async () => {
    const shapes = (all: Map<string, string>) =>
      [...all].map(([name, text]) => [name, text.slice(0, text.indexOf(')')), text.length]);
    const truth = shapes(await original(files));
    const property = fc.asyncProperty(mutations(pickle.length), async (change) => {
      const result = await openAll(withPickle(change(pickle)));
      if (!(result instanceof Mamba2Error)) expect(shapes(result)).toEqual(truth);
    });
    await run(property, 600);
  });

  test('a call to a shell is refused wherever it is put', async () => {
    // After each opcode that ends with a value on the stack, which REDUCE leaves there: what os.system returned would go unnoticed.
    const call = concat(op.global('posix', 'system'), op.text('true'), op.tuple1, op.reduce);
    const atReduce = [...pickle.keys()].filter((i) => pickle[i] === op.reduce[0] && pickle[i + 1] === 0x71);
    expect(atReduce.length).toBeGreaterThan(20);
    for (const at of atReduce.slice(0, 40)) {
      const result = await openAll(withPickle(splice(at + 1, 0, call)(pickle)));
      expect(result).toBeInstanceOf(Mamba2Error);
      expect(String(result)).toContain('"posix.system"');
    }
    expect(String(await openAll(withPickle(splice(2, 0, call)(pickle))))).toContain('"posix.system"');
  });

  test('entries whose headers lie', async () => {
    const truth = await original(files);
    const lies = fc.record(
      {
        size: fc.constantFrom(0, 1, 38_911, 38_913, 2 ** 31, 0xfffffffe),
        start: fc.nat(file.length),
        localSize: fc.nat(100_000),
        crc: fc.nat(),
        method: fc.constantFrom(0, 8, 99),
        flags: fc.constantFrom(0, 1, 8, 0x2000),
      },
      { requiredKeys: [] },
    );
    const property = fc.asyncProperty(fc.nat(entries.length - 1), lies, fc.boolean(), (which, lie, zip64) =>
      sameOrRefused(
        mutated(
          zip(
            entries.map((part, i) => (i === which ? { ...part, ...lie } : part)),
            { zip64 },
          ),
        ),
        truth,
      ),
    );
    await fc.assert(property, { numRuns: 150 });
  });
});

describe('config.json', () => {
  test.each(['hf_mamba2_tiny', 'orig_mamba2_mlp'])(
    '%s: damaged, it is refused or describes a model of these tensors',
    async (name) => {
      const files = goldenFiles(name);
      const truth = await original(files);
      const bytes = files['config.json']!;
      await run(
        fc.asyncProperty(mutations(bytes.length), (change) =>
          sameOrRefused({ ...files, 'config.json': change(bytes) }, truth),
        ),
        300,
      );
      const property = fc.asyncProperty(fc.nat(), numbers, (which, number) =>
        sameOrRefused({ ...files, 'config.json': encode(renumber(decode(bytes), which, number)) }, truth),
      );
      await run(property, 200);
    },
  );

  test('any value under any key', async () => {
    const files = goldenFiles('orig_mamba2_mlp');
    const truth = await original(files);
    const keys = [
      ...Object.keys(JSON.parse(decode(files['config.json'])) as object),
      'model_type',
      '__proto__',
      'norm_eps',
    ];
    const property = fc.asyncProperty(fc.constantFrom(...keys), fc.jsonValue(), (key, value) =>
      sameOrRefused(
        withJson(files, 'config.json', (json) => Object.defineProperty(json, key, { value, enumerable: true })),
        truth,
      ),
    );
    await fc.assert(property, { numRuns: 300 });
  });
});
