import type { RandomAccessFile } from '../../src/checkpoint/file.js';
import { expectedTensors } from '../../src/checkpoint/layout.js';
import { safetensorsHead } from '../../src/checkpoint/safetensors-head.js';
import { parseConfig } from '../../src/checkpoint/checkpoint.js';
import type { Source } from '../../src/checkpoint/source.js';

/** A Mamba-2 model's `config.json`, in the shapes of the published ones. */
export function mamba2Config(width: number, layers: number, vocabulary = 50288): Record<string, unknown> {
  return {
    model_type: 'mamba2',
    hidden_size: width,
    num_hidden_layers: layers,
    vocab_size: vocabulary,
    expand: 2,
    head_dim: 64,
    num_heads: width / 32,
    state_size: 128,
    n_groups: 1,
    conv_kernel: 4,
    use_conv_bias: true,
    use_bias: false,
    tie_word_embeddings: true,
    rms_norm: true,
    layer_norm_epsilon: 1e-5,
  };
}

/** The header of such a model's safetensors file in float32, and the bytes of its tensors. */
export function float32Head(config: Record<string, unknown>): { head: Uint8Array; bytes: number } {
  const tensors = Array.from(expectedTensors(parseConfig(config as never)), ([name, { fileShape }]) => ({
    name: `backbone.${name}`,
    type: 'F32',
    shape: fileShape,
    byteLength: 4 * fileShape.reduce((a, b) => a * b, 1),
  }));
  return { head: safetensorsHead(tensors), bytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0) };
}

/** A checkpoint of zeros that exists nowhere. */
export function virtualCheckpoint(name: string, config: Record<string, unknown>): Source {
  const { head, bytes } = float32Head(config);
  const files = {
    'config.json': { head: new TextEncoder().encode(JSON.stringify(config)), bytes: 0 },
    'model.safetensors': { head, bytes },
  };
  return {
    name,
    close() {},
    file(path): RandomAccessFile {
      const file = Object.hasOwn(files, path) ? files[path as keyof typeof files] : undefined;
      return {
        name: path,
        size: async () => file && file.head.length + file.bytes,
        async read(start, end) {
          const out = new Uint8Array(end - start);
          out.set(file!.head.subarray(start, end));
          return out;
        },
      };
    },
  };
}
