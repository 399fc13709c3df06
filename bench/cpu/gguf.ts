import { closeSync, openSync, writeSync } from 'node:fs';
import { n, p, type RandomModel, type RandomLayer, width } from './network.ts';

// As much of the GGUF file format (ggml's docs/gguf.md) as llama.cpp needs to load a Mamba-2 model; sizes are 64-bit, little-endian.
const [U32, F32, STRING, ARRAY] = [4, 6, 8, 9];
const ALIGNMENT = 32;
/** ggml's numbers for how a tensor is stored. */
const types = { f32: 0, q8: 8 } as const;

type Kind = keyof typeof types;
interface Entry {
  readonly name: string;
  /** Fastest axis first. */
  readonly dims: readonly number[];
  readonly kind: Kind;
  readonly values: Float32Array;
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

function u64(value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt(value));
  return out;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function pair(key: string, value: string | number, type: number): Buffer {
  const float = Buffer.from(Float32Array.of(Number(value)).buffer);
  const content = typeof value === 'string' ? text(value) : type === F32 ? float : u32(value);
  return Buffer.concat([text(key), u32(type), content]);
}

/** An array of texts. */
function texts(key: string, values: readonly string[]): Buffer {
  return Buffer.concat([text(key), u32(ARRAY), u32(STRING), u64(values.length), ...values.map(text)]);
}

/** The nearest f16 of a number that is normal in f16 or rounds to one, or 0. */
function half(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (exponent <= 0) return 0;
  return (((bits >>> 16) & 0x8000) | (exponent << 10)) + (((bits & 0x7fffff) + 0x1000) >>> 13);
}

function widened(half: number): number {
  return new Float32Array(Uint32Array.of(((half & 0x8000) << 16) | (((half & 0x7fff) + (112 << 10)) << 13)).buffer)[0]!;
}

/** Q8_0: blocks of 32 signed bytes behind an f16 scale. */
function blocks(values: Float32Array): Uint8Array {
  const out = new Uint8Array((values.length / 32) * 34);
  const view = new DataView(out.buffer);
  for (let block = 0; block < values.length / 32; block++) {
    let most = 0;
    for (let i = 0; i < 32; i++) most = Math.max(most, Math.abs(values[block * 32 + i]!));
    const bits = half(most / 127);
    if (bits === 0) continue;
    const scale = widened(bits);
    view.setUint16(block * 34, bits, true);
    for (let i = 0; i < 32; i++) {
      view.setInt8(block * 34 + 2 + i, Math.max(-127, Math.min(127, Math.round(values[block * 32 + i]! / scale))));
    }
  }
  return out;
}

function entries(model: RandomModel, matrices: Kind): Entry[] {
  const { dModel, dInner, heads: h, vocab } = model;
  const channels = dInner + 2 * n;
  const layer = (w: RandomLayer, i: number): Entry[] => {
    const at = (name: string, dims: number[], values: Float32Array, kind: Kind = 'f32'): Entry => ({
      name: `blk.${i}.${name}`,
      dims,
      kind,
      values,
    });
    return [
      at('attn_norm.weight', [dModel], w.norm),
      at('ssm_in.weight', [dModel, 2 * dInner + 2 * n + h], w.inProj, matrices),
      at('ssm_conv1d.weight', [width, channels], w.conv),
      at('ssm_conv1d.bias', [channels], w.convBias),
      at('ssm_dt.bias', [h], w.dtBias),
      at('ssm_a', [1, h], w.A),
      at('ssm_d', [1, h], w.D),
      at('ssm_norm.weight', [dInner, 1], w.gatedNorm),
      at('ssm_out.weight', [dInner, dModel], w.outProj, matrices),
    ];
  };
  return [
    { name: 'token_embd.weight', dims: [dModel, vocab], kind: matrices, values: model.embedding },
    { name: 'output_norm.weight', dims: [dModel], kind: 'f32', values: model.norm },
    ...model.layer.flatMap(layer),
  ];
}

/** Writes a model as GGUF, its matrices in f32 or in Q8_0. */
export function writeGguf(file: string, model: RandomModel, matrices: Kind): void {
  const settings: [string, number][] = [
    ['vocab_size', model.vocab],
    ['context_length', 2 ** 20],
    ['embedding_length', model.dModel],
    ['feed_forward_length', 0],
    ['attention.head_count', 0],
    ['block_count', model.layers],
    ['ssm.conv_kernel', width],
    ['ssm.inner_size', model.dInner],
    ['ssm.state_size', n],
    ['ssm.time_step_rank', model.dInner / p],
    ['ssm.group_count', 1],
  ];
  const pairs = [
    pair('general.architecture', 'mamba2', STRING),
    // llama.cpp wants a tokenizer, though only ids are fed: every id a word of its own.
    pair('tokenizer.ggml.model', 'gpt2', STRING),
    pair('tokenizer.ggml.pre', 'gpt-2', STRING),
    texts(
      'tokenizer.ggml.tokens',
      Array.from({ length: model.vocab }, (_, id) => `t${id}`),
    ),
    texts('tokenizer.ggml.merges', ['t 0']),
    pair('tokenizer.ggml.bos_token_id', 0, U32),
    pair('tokenizer.ggml.eos_token_id', 0, U32),
    pair('mamba2.attention.layer_norm_rms_epsilon', 1e-5, F32),
    ...settings.map(([key, value]) => pair(`mamba2.${key}`, value, U32)),
  ];
  const tensors = entries(model, matrices);
  let offset = 0;
  const infos: Buffer[] = [];
  for (const { name, dims, kind, values } of tensors) {
    infos.push(text(name), u32(dims.length), ...dims.map(u64), u32(types[kind]), u64(offset));
    offset += Math.ceil((kind === 'q8' ? (values.length / 32) * 34 : 4 * values.length) / ALIGNMENT) * ALIGNMENT;
  }
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(pairs.length),
    ...pairs,
    ...infos,
  ]);
  const out = openSync(file, 'w');
  const padded = (bytes: Uint8Array) => {
    writeSync(out, bytes);
    writeSync(out, new Uint8Array((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT));
  };
  padded(header);
  for (const { kind, values } of tensors) {
    padded(kind === 'q8' ? blocks(values) : new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  closeSync(out);
}
