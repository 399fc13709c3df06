import { type Backend, type ConvWeights, type Stored, type Tensor, toFloat64, type Weight } from '@mamba2/core';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { isMatrix } from './checkpoint/layout.js';
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
  /**
   * `fetching` while a file comes as a whole, from a hub into the cache or from a server that knows no ranges, and is loaded meanwhile; `loading` tensors
   * onto the backend.
   */
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

/** A checkpoint's tensors on a backend, by their canonical names. */
interface Brought<S> {
  readonly matrices: Map<string, Weight<S>>;
  readonly others: Map<string, Tensor<S>>;
}

/**
 * Brings a checkpoint's tensors to a backend one after the other, in the order in which their bytes come, matrices piece by piece: host memory holds no
 * more than a piece. If anything fails, or the signal aborts, what had been uploaded is freed.
 * @throws CheckpointError, UnsupportedError, DeviceError, or the signal's reason
 */
export async function loadWeights<S>(
  backend: Backend<S>,
  checkpoint: Checkpoint,
  { dtype = 'stored', onProgress, signal }: LoadWeightsOptions = {},
): Promise<{ weights: ModelWeights<S>; free: () => void }> {
  expectFit(backend, checkpoint, dtype);
  const matrices = new Map<string, Weight<S>>();
  const others = new Map<string, Tensor<S>>();
  const free = () => backend.free(...matrices.values(), ...others.values());
  let loaded = 0;
  try {
    for (const name of checkpoint.arrival) {
      signal?.throwIfAborted();
      const entry = checkpoint.tensors.get(name)!;
      if (isMatrix(name)) matrices.set(name, await matrixAs(backend, name, entry.stream(signal), dtype));
      else others.set(name, backend.upload(asUsed(name, await entry.load(signal)), entry.shape));
      loaded += entry.byteLength;
      onProgress?.({ stage: 'loading', loaded, total: checkpoint.totalBytes, tensor: name });
    }
    const weights = modelOf(checkpoint.config, { matrices, others });
    // Devices tell late what they had no room for: a read waits for everything before it.
    await backend.read(weights.norm_f.weight);
    return { weights, free };
  } catch (error) {
    free();
    throw error;
  }
}

/** `A = −exp(A_log)`; everything else as it is stored. */
function asUsed(name: string, values: Stored): Stored | Float64Array {
  return name.endsWith('.A_log') ? toFloat64(values).map((a) => -Math.exp(a)) : values;
}

/** The tensors at their places in the model. */
function modelOf<S>({ layers, tieEmbeddings }: ModelConfig, brought: Brought<S>): ModelWeights<S> {
  const embedding = brought.matrices.get('embedding.weight')!;
  return {
    embedding,
    layers: layers.map((config, i) => layerOf(`layers.${i}`, config, brought)),
    norm_f: biased('norm_f', brought),
    lm_head: tieEmbeddings ? embedding : brought.matrices.get('lm_head.weight')!,
  };
}

function layerOf<S>(at: string, { mixer, mlp }: LayerConfig, brought: Brought<S>): LayerWeights<S> {
  const first = { norm: biased(`${at}.norm`, brought), mixer: mixerOf(`${at}.mixer`, mixer, brought) };
  if (!mlp) return first;
  return {
    ...first,
    norm2: biased(`${at}.norm2`, brought),
    mlp: { fc1: linearOf(`${at}.mlp.fc1`, brought), fc2: linearOf(`${at}.mlp.fc2`, brought) },
  };
}

function mixerOf<S>(at: string, config: MixerConfig, brought: Brought<S>): LayerWeights<S>['mixer'] {
  const linear = (name: string) => linearOf(`${at}.${name}`, brought);
  const vector = (name: string) => brought.others.get(`${at}.${name}`)!;
  const shared = { in_proj: linear('in_proj'), out_proj: linear('out_proj') };
  const hasConv = config.type !== 'attention' || config.dConv > 0;
  const conv1d = hasConv ? biased(`${at}.conv1d`, brought) : undefined;
  if (config.type === 'attention') return { ...shared, conv1d };
  const recurrent = { ...shared, conv1d: conv1d!, A: vector('A_log'), D: vector('D') };
  if (config.type === 'mamba1') return { ...recurrent, x_proj: linear('x_proj'), dt_proj: linear('dt_proj') };
  return { ...recurrent, dt_bias: vector('dt_bias'), norm: config.rmsnorm ? vector('norm.weight') : undefined };
}

function linearOf<S>(name: string, { matrices, others }: Brought<S>): Linear<S> {
  return { weight: matrices.get(`${name}.weight`)!, bias: others.get(`${name}.bias`) };
}

/** A norm's weights or a convolution's, with a bias where there is one. */
function biased<S>(name: string, { others }: Brought<S>): Norm<S> & ConvWeights<S> {
  const bias = others.get(`${name}.bias`);
  return { weight: others.get(`${name}.weight`)!, ...(bias && { bias }) };
}
