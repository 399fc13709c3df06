import { type Backend, type Stored, UnsupportedError } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { dequantise, quantise } from '@mamba2/core/weights';
import { wasm } from '@mamba2/ssd-cpu';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { isMatrix } from '../src/checkpoint/layout.js';
import { type LoadOptions, Mamba2, quantize, readSafetensors, writeSafetensors } from '../src/index.js';
import { contents, decode, encode, type Files, goldenFiles, openAll, refusal } from './support/checkpoint-files.js';

const formats = ['q8', 'q4'] as const;
const models = [
  'hf_mamba2_tiny',
  'hf_mamba2_bias_untied',
  'hf_mamba2_bf16_sharded',
  'hf_mamba1_tiny',
  'orig_mamba2_mlp',
  'orig_mamba2_layernorm',
];

/** The files that `quantize` writes. */
async function quantized(files: Files, dtype: (typeof formats)[number]): Promise<Files> {
  const pieces: Record<string, Uint8Array[]> = {};
  for await (const { file, bytes } of quantize({ name: 'files', files }, { dtype })) {
    (pieces[file] ??= []).push(bytes.slice());
  }
  return Object.fromEntries(
    Object.entries(pieces).map(([file, parts]) => [file, new Uint8Array(Buffer.concat(parts))]),
  );
}

let cpu: Backend;
beforeAll(async () => {
  cpu = await wasm({ threads: 2, relaxedSimd: false });
});
afterAll(() => cpu.dispose());

const load = (files: Files, options: LoadOptions) =>
  Mamba2.load({ name: 'files', files }, { tokenizer: null, ...options });

/** The logits after a few tokens. */
async function logitsOf(files: Files, options: LoadOptions): Promise<number[]> {
  const model = await load(files, options);
  const { data } = await model.forward([5, 17, 250, 3, 3, 99]);
  model.dispose();
  return Array.from(data);
}

describe.each(formats)('a checkpoint quantised to %s', (format) => {
  test.each(models)('computes what %s does when it is quantised on load, on both backends', async (name) => {
    const files = goldenFiles(name);
    const blocks = await quantized(files, format);
    for (const backend of [cpu, reference() as Backend]) {
      expect(await logitsOf(blocks, { backend })).toEqual(await logitsOf(files, { backend, dtype: format }));
    }
  });

  test.each(models)('holds of %s each matrix in blocks and everything else as it was', async (name) => {
    const files = goldenFiles(name);
    const before = await openCheckpoint({ name: 'files', files });
    const after = await openCheckpoint({ name: 'files', files: await quantized(files, format) });
    expect(after.config).toEqual(before.config);
    expect([...after.tensors.keys()]).toEqual([...before.tensors.keys()]);
    for (const [tensor, { dtype, shape, load: read }] of after.tensors) {
      const original = await before.tensors.get(tensor)!.load();
      const want: Stored = isMatrix(tensor)
        ? { dtype: 'f32', shape, bytes: new Uint8Array(dequantise(quantise(original, format)).buffer) }
        : original;
      expect([tensor, dtype]).toEqual([tensor, isMatrix(tensor) ? format : original.dtype]);
      const { bytes, ...rest } = await read();
      expect(rest).toEqual({ dtype: want.dtype, shape });
      expect(Buffer.from(bytes).equals(want.bytes), tensor).toBe(true);
    }
  });

  test('keeps the model’s fingerprint, so that states go on', async () => {
    const files = goldenFiles('hf_mamba2_tiny');
    const [full, small] = [
      await load(files, { backend: cpu }),
      await load(await quantized(files, format), { backend: cpu }),
    ];
    expect(small.fingerprint).toBe(full.fingerprint);
    const state = await small.loadState(await (await full.prefill([1, 2, 3])).save());
    expect(state.length).toBe(3);
    expect(small.byteLength).toBeLessThan((format === 'q8' ? 0.6 : 0.5) * full.byteLength);
    full.dispose();
    small.dispose();
  });

  test('can be loaded as floats, for backends without blocks', async () => {
    const files = await quantized(goldenFiles('hf_mamba2_tiny'), format);
    const backend = reference() as Backend;
    expect(await logitsOf(files, { backend, dtype: 'f32' })).toEqual(await logitsOf(files, { backend }));
  });

  test('is refused in the other format, and not quantised again', async () => {
    const files = await quantized(goldenFiles('hf_mamba2_tiny'), format);
    const other = format === 'q8' ? 'q4' : 'q8';
    await expect(load(files, { backend: cpu, dtype: other })).rejects.toThrow(UnsupportedError);
    expect(await refusal(quantized(files, other))).toBe(
      `UnsupportedError: files is in ${format} blocks already; to mend it: quantise what it was made from`,
    );
  });

  test('loads from damaged files the same, or not at all', async () => {
    const files = await quantized(goldenFiles('hf_mamba2_tiny'), format);
    const whole = files['model.safetensors']!;
    const truth = await contents(await openCheckpoint({ name: 'files', files }));
    const headerEnd = 8 + Number(new DataView(whole.buffer).getBigUint64(0, true));
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(headerEnd - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bytes = whole.slice();
        bytes[at]! ^= change;
        const got = await openAll({ ...files, 'model.safetensors': bytes });
        if (got instanceof Map) expect(got).toEqual(truth);
        else refused++;
      }),
      { numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(300);
  });
});

describe('is refused, by name', () => {
  /** A quantised model whose file was put together anew after a change. */
  async function changed(change: (header: Record<string, unknown>, metadata: Record<string, string>) => void) {
    const files = await quantized(goldenFiles('hf_mamba2_tiny'), 'q8');
    const name = 'model.safetensors';
    const bytes = files[name]!;
    const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(decode(bytes.subarray(8, headerEnd))) as Record<
      string,
      { dtype: string; shape: number[] }
    >;
    const metadata = header['__metadata__'] as unknown as Record<string, string>;
    change(header, metadata);
    const text = encode(JSON.stringify(header));
    const out = new Uint8Array(8 + text.length + bytes.length - headerEnd);
    new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
    out.set(text, 8);
    out.set(bytes.subarray(headerEnd), 8 + text.length);
    return refusal(openCheckpoint({ name: 'files', files: { ...files, [name]: out } }));
  }
  const matrix = 'backbone.layers.0.mixer.out_proj.weight';
  const described = (metadata: Record<string, string>) =>
    JSON.parse(metadata['blocks']!) as Record<string, { format: string; shape: number[] }>;

  test('another version', async () => {
    expect(await changed((_, metadata) => (metadata['version'] = '2'))).toMatchInlineSnapshot(
      `"CheckpointError: model.safetensors is in another version of mamba2-blocks; given: 2; expected: 1; to mend it: quantise the checkpoint again with this version of the library"`,
    );
  });

  test('blocks that are not described', async () => {
    expect(await changed((_, metadata) => delete metadata['blocks'])).toMatchInlineSnapshot(
      `"CheckpointError: model.safetensors's metadata "blocks" is not valid JSON: Unexpected end of JSON input; to mend it: get the file again; it is damaged"`,
    );
    const less = await changed((_, metadata) => {
      const { [matrix]: __, ...rest } = described(metadata);
      metadata['blocks'] = JSON.stringify(rest);
    });
    expect(less).toMatchInlineSnapshot(
      `"CheckpointError: the tensors are not those of the model in config.json; given: missing: layers.0.mixer.out_proj.weight | not of this model: backbone.layers.0.mixer.out_proj.weight.blocks; backbone.layers.0.mixer.out_proj.weight.scales; to mend it: use the config.json and the weights of one checkpoint"`,
    );
  });

  test.each([
    ['a format there is none of', { format: 'q5', shape: [64, 128] }],
    ['a shape that is none', { format: 'q8', shape: [64, -128] }],
    ['another shape', { format: 'q8', shape: [64, 32] }],
    ['the other format', { format: 'q4', shape: [64, 128] }],
    ['no description', null],
  ])('%s', async (_, value) => {
    const message = await changed((__, metadata) => {
      metadata['blocks'] = JSON.stringify({ ...described(metadata), [matrix]: value });
    });
    expect(message).toMatch(/^CheckpointError: model.safetensors: tensor backbone.layers.0.mixer.out_proj.weight/);
  });

  test('scales that are missing', async () => {
    const renamed = await changed((header) => {
      header['elsewhere'] = header[`${matrix}.scales`];
      delete header[`${matrix}.scales`];
    });
    expect(renamed).toMatchInlineSnapshot(
      `"CheckpointError: model.safetensors: tensor backbone.layers.0.mixer.out_proj.weight.scales is missing; given: no such tensor; expected: BF16 [64, 4]; to mend it: quantise the checkpoint again; this file is damaged or was written wrongly"`,
    );
  });

  test('a matrix with infinities or NaN in it', async () => {
    const files = goldenFiles('hf_mamba2_tiny');
    const { tensors, metadata } = await readSafetensors('model', files['model.safetensors']!);
    const values = Object.fromEntries(tensors);
    new Float32Array(values[matrix]!.bytes.buffer)[7] = NaN;
    const odd = { ...files, 'model.safetensors': writeSafetensors(values, metadata) };
    const want =
      'CheckpointError: backbone.layers.0.mixer.out_proj.weight: a matrix with infinities or NaN in it has no blocks; ' +
      'to mend it: load it with dtype: "stored"';
    expect(await refusal(quantized(odd, 'q8'))).toBe(want);
    for (const backend of [cpu, reference() as Backend]) {
      expect(await refusal(load(odd, { backend, dtype: 'q8' }))).toBe(want.replace('backbone.', ''));
    }
  });

  test('options that make no sense', async () => {
    const files = goldenFiles('hf_mamba2_tiny');
    expect(await refusal(quantized(files, 'q5' as 'q4'))).toMatchInlineSnapshot(
      `"ArgumentError: dtype; given: q5; expected: "q8" or "q4""`,
    );
  });
});

describe('dtypes of floats', () => {
  test.each(['f16', 'bf16', 'f32'] as const)('%s: each number is the nearest to what is stored', async (dtype) => {
    const files = goldenFiles('hf_mamba2_tiny');
    const exact = await logitsOf(files, { backend: reference() as Backend });
    const got = await logitsOf(files, { backend: reference() as Backend, dtype });
    const error = Math.hypot(...got.map((value, i) => value - exact[i]!)) / Math.hypot(...exact);
    // Half a unit in the last of 11 or 8 bits, as a relative error of independent weights.
    const [least, most] = { f16: [1e-5, 1e-3], bf16: [1e-4, 8e-3], f32: [0, 0] }[dtype] as [number, number];
    expect(error).toBeGreaterThanOrEqual(least);
    expect(error).toBeLessThanOrEqual(most);
  });

  test('a number that a type can’t hold is refused by the tensor’s name', async () => {
    const files = goldenFiles('hf_mamba2_tiny');
    const { tensors, metadata } = await readSafetensors('model', files['model.safetensors']!);
    const values = Object.fromEntries(tensors);
    new Float32Array(values['backbone.embeddings.weight']!.bytes.buffer)[700] = 70000;
    const large = { ...files, 'model.safetensors': writeSafetensors(values, metadata) };
    expect(await refusal(load(large, { backend: cpu, dtype: 'f16' }))).toMatchInlineSnapshot(
      `"CheckpointError: embedding.weight: a number that f16 can't hold; given: 70000; to mend it: load it with dtype: "bf16""`,
    );
    await expect(logitsOf(large, { backend: cpu, dtype: 'bf16' })).resolves.toBeDefined();
  });
});
