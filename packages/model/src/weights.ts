import { type Backend, type ConvWeights, type Tensor, toFloat64, type Weight } from '@mamba2/core';
import type { Checkpoint, CheckpointTensor } from './checkpoint/checkpoint.js';
import type { LayerConfig, MixerConfig, ModelConfig } from './config.js';
import { type LoadDtype, matrixAs } from './dtype.js';
import { expectFit } from './fit.js';

/** A matrix with an optional bias. */
export interface Linear<S> {
  weight: Weight<S>;
  bias?: Tensor<S> | undefined;
}

/** A norm of the residual stream: an RMSNorm, or with a bias a LayerNorm. */
export interface Norm<S> {
  weight: Tensor<S>;
  bias?: Tensor<S> | undefined;
}

/** A Mamba-2 mixer's parameters under the names that checkpoints give them; `A = −exp(A_log)`. */
export interface Mamba2Weights<S> {
  in_proj: Linear<S>;
  conv1d: ConvWeights<S>;
  A: Tensor<S>;
  D: Tensor<S>;
  dt_bias: Tensor<S>;
  norm?: Tensor<S> | undefined;
  out_proj: Linear<S>;
}

/** A Mamba-1 mixer's parameters. */
export interface Mamba1Weights<S> {
  in_proj: Linear<S>;
  conv1d: ConvWeights<S>;
  x_proj: Linear<S>;
  dt_proj: Linear<S>;
  A: Tensor<S>;
  D: Tensor<S>;
  out_proj: Linear<S>;
}

/** An attention mixer's parameters. */
export interface AttentionWeights<S> {
  in_proj: Linear<S>;
  conv1d?: ConvWeights<S> | undefined;
  out_proj: Linear<S>;
}

export interface LayerWeights<S> {
  norm: Norm<S>;
  mixer: Mamba2Weights<S> | Mamba1Weights<S> | AttentionWeights<S>;
  norm2?: Norm<S>;
  mlp?: { fc1: Linear<S>; fc2: Linear<S> };
}

/** All of a model's parameters on a backend. */
export interface ModelWeights<S> {
  embedding: Weight<S>;
  layers: LayerWeights<S>[];
  norm_f: Norm<S>;
  lm_head: Weight<S>;
}

/** How far loading is. */
export interface LoadProgress {
  /** `fetching` while one of a hub's files comes into the cache, and is loaded meanwhile; `loading` tensors onto the backend. */
  stage: 'fetching' | 'loading';
  /** Bytes of the file that are here, or of tensors that are on the backend. */
  loaded: number;
  /** Bytes of the file, or of all tensors. */
  total: number;
  /** The tensor that came last, or the file that is fetched. */
  tensor: string;
  /** Another tab or process fetches the file, and this one waits for it. */
  elsewhere?: boolean;
}

export interface LoadWeightsOptions {
  dtype?: LoadDtype;
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
}

/**
 * Brings a checkpoint's tensors to a backend one after the other, matrices piece by piece: host memory holds no more than a piece.
 * If anything fails, or the signal aborts, what had been uploaded is freed.
 * @throws CheckpointError, UnsupportedError, DeviceError, or the signal's reason
 */
export async function loadWeights<S>(
  backend: Backend<S>,
  checkpoint: Checkpoint,
  { dtype = 'stored', onProgress, signal }: LoadWeightsOptions = {},
): Promise<{ weights: ModelWeights<S>; free: () => void }> {
  expectFit(backend, checkpoint, dtype);
  const made: (Tensor<S> | Weight<S>)[] = [];
  const free = () => backend.free(...made);
  let loaded = 0;

  async function take<T extends Tensor<S> | Weight<S>>(
    name: string,
    bring: (entry: CheckpointTensor) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    const entry = checkpoint.tensors.get(name)!;
    const thing = await bring(entry);
    made.push(thing);
    loaded += entry.byteLength;
    onProgress?.({ stage: 'loading', loaded, total: checkpoint.totalBytes, tensor: name });
    return thing;
  }
  const has = (name: string) => checkpoint.tensors.has(name);
  const matrix = (name: string) => take(name, (entry) => matrixAs(backend, name, entry.stream(signal), dtype));
  const vector = (name: string) => take(name, async (entry) => backend.upload(await entry.load(signal)));
  const linear = async (name: string): Promise<Linear<S>> => ({
    weight: await matrix(`${name}.weight`),
    bias: has(`${name}.bias`) ? await vector(`${name}.bias`) : undefined,
  });
  const negativeExp = (name: string) =>
    take(name, async (entry) => {
      const A_log = await entry.load(signal);
      const A = toFloat64(A_log).map((a) => -Math.exp(a));
      return backend.upload(A, A_log.shape);
    });

  /** A vector or a filter with an optional bias: a norm, a convolution. */
  const biased = async (name: string): Promise<Norm<S> & ConvWeights<S>> => {
    const weight = await vector(`${name}.weight`);
    return has(`${name}.bias`) ? { weight, bias: await vector(`${name}.bias`) } : { weight };
  };

  async function mixerOf(at: string, config: MixerConfig): Promise<LayerWeights<S>['mixer']> {
    const in_proj = await linear(`${at}.in_proj`);
    const conv1d = has(`${at}.conv1d.weight`) ? await biased(`${at}.conv1d`) : undefined;
    const out_proj = await linear(`${at}.out_proj`);
    if (config.type === 'attention') return { in_proj, conv1d, out_proj };
    const shared = {
      in_proj,
      conv1d: conv1d!,
      A: await negativeExp(`${at}.A_log`),
      D: await vector(`${at}.D`),
      out_proj,
    };
    return config.type === 'mamba2'
      ? {
          ...shared,
          dt_bias: await vector(`${at}.dt_bias`),
          norm: config.rmsnorm ? await vector(`${at}.norm.weight`) : undefined,
        }
      : { ...shared, x_proj: await linear(`${at}.x_proj`), dt_proj: await linear(`${at}.dt_proj`) };
  }

  async function layer(i: number, config: LayerConfig): Promise<LayerWeights<S>> {
    const at = `layers.${i}`;
    const norm = await biased(`${at}.norm`);
    const mixer = await mixerOf(`${at}.mixer`, config.mixer);
    if (!config.mlp) return { norm, mixer };
    return {
      norm,
      mixer,
      norm2: await biased(`${at}.norm2`),
      mlp: { fc1: await linear(`${at}.mlp.fc1`), fc2: await linear(`${at}.mlp.fc2`) },
    };
  }

  async function everything({ layers, tieEmbeddings }: ModelConfig): Promise<ModelWeights<S>> {
    const embedding = await matrix('embedding.weight');
    const loadedLayers: LayerWeights<S>[] = [];
    for (const [i, config] of layers.entries()) loadedLayers.push(await layer(i, config));
    const norm_f = await biased('norm_f');
    return {
      embedding,
      layers: loadedLayers,
      norm_f,
      lm_head: tieEmbeddings ? embedding : await matrix('lm_head.weight'),
    };
  }

  try {
    const weights = await everything(checkpoint.config);
    // Devices tell late what they had no room for: a read waits for everything before it.
    await backend.read(weights.norm_f.weight);
    return { weights, free };
  } catch (error) {
    free();
    throw error;
  }
}
