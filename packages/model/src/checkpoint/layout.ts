import { CheckpointError } from '@mamba2/core';
import type { AttentionConfig, LayerConfig, Mamba1Config, Mamba2Config, MixerConfig, ModelConfig } from '../config.js';
import { shown } from './shown.js';
import type { TensorEntry } from './tensor-entry.js';

type Shape = readonly number[];

/** A tensor that a model must have. */
export interface ExpectedTensor {
  readonly shape: Shape;
  /** Its shape in files, where that differs: torch gives a convolution an axis of length 1, and `D` per channel only one axis. */
  readonly fileShape: Shape;
}

/** Element types that weights may have; blocks are for matrices only. */
const floats: ReadonlySet<string> = new Set(['f64', 'f32', 'f16', 'bf16', 'q8', 'q4']);

/**
 * Every tensor of a model by its canonical name, which is what both formats call it less the prefix `backbone.`, in the order of the layers.
 * A head that is tied to the embedding is not listed.
 */
export function expectedTensors(config: ModelConfig): Map<string, ExpectedTensor> {
  const { dModel, paddedVocabSize, layers, tieEmbeddings, layerNorm } = config;
  const tensors = new Map<string, ExpectedTensor>();
  const add = (name: string, shape: Shape, fileShape = shape) => tensors.set(name, { shape, fileShape });
  const norm: Norm = (name) =>
    [`${name}.weight`, ...(layerNorm ? [`${name}.bias`] : [])].map((full): Row => [full, [dModel]]);
  add('embedding.weight', [paddedVocabSize, dModel]);
  for (const [i, layer] of layers.entries()) {
    const at = (name: string) => `layers.${i}.${name}`;
    for (const [name, shape, fileShape] of layerTensors(layer, dModel, norm)) add(at(name), shape, fileShape);
  }
  for (const [name, shape] of norm('norm_f')) add(name, shape);
  if (!tieEmbeddings) add('lm_head.weight', [paddedVocabSize, dModel]);
  return tensors;
}

type Row = [name: string, shape: Shape, fileShape?: Shape];
/** The tensors of a norm of the residual stream. */
type Norm = (name: string) => Row[];

function layerTensors({ mixer, mlp }: LayerConfig, dModel: number, norm: Norm): Row[] {
  const named = mixerTensors(mixer, dModel).map(([name, ...shapes]): Row => [`mixer.${name}`, ...shapes]);
  const first = [...norm('norm'), ...named];
  if (!mlp) return first;
  const { hidden, bias } = mlp;
  return [
    ...first,
    ...norm('norm2'),
    ...linear('mlp.fc1', 2 * hidden, dModel, bias),
    ...linear('mlp.fc2', dModel, hidden, bias),
  ];
}

function mixerTensors(mixer: MixerConfig, dModel: number): Row[] {
  switch (mixer.type) {
    case 'mamba2':
      return mamba2Tensors(mixer, dModel);
    case 'mamba1':
      return mamba1Tensors(mixer, dModel);
    case 'attention':
      return attentionTensors(mixer, dModel);
  }
}

function mamba2Tensors(config: Mamba2Config, dModel: number): Row[] {
  const { dInner, dSsm, nheads: h, headdim: p, ngroups: g, dState: n } = config;
  return [
    ...linear('in_proj', 2 * dInner + 2 * g * n + h, dModel, config.bias),
    ...convolution(dSsm + 2 * g * n, config),
    ['dt_bias', [h]],
    ['A_log', [h]],
    config.dHasHdim ? ['D', [h, p], [dSsm]] : ['D', [h]],
    ...(config.rmsnorm ? [['norm.weight', [dSsm]] satisfies Row] : []),
    ...linear('out_proj', dModel, dInner, config.bias),
  ];
}

function mamba1Tensors(config: Mamba1Config, dModel: number): Row[] {
  const { dInner, dState: n, dtRank } = config;
  return [
    ...linear('in_proj', 2 * dInner, dModel, config.bias),
    ...convolution(dInner, config),
    ...linear('x_proj', dtRank + 2 * n, dInner, false),
    ...linear('dt_proj', dInner, dtRank, true),
    ['A_log', [dInner, n]],
    ['D', [dInner]],
    ...linear('out_proj', dModel, dInner, config.bias),
  ];
}

function attentionTensors(config: AttentionConfig, dModel: number): Row[] {
  const { nheads: h, kvHeads: g, headdim: p, mlpHidden, dConv } = config;
  const channels = (h + 2 * g) * p;
  return [
    ...linear('in_proj', channels + 2 * mlpHidden, dModel, config.bias),
    ...(dConv > 0 ? convolution(channels, { dConv, convBias: true }) : []),
    ...linear('out_proj', dModel, h * p + mlpHidden, config.outBias),
  ];
}

function linear(name: string, rows: number, columns: number, bias: boolean): Row[] {
  const weight: Row = [`${name}.weight`, [rows, columns]];
  return bias ? [weight, [`${name}.bias`, [rows]]] : [weight];
}

function convolution(channels: number, { dConv, convBias }: { dConv: number; convBias: boolean }): Row[] {
  const weight: Row = ['conv1d.weight', [channels, dConv], [channels, 1, dConv]];
  return convBias ? [weight, ['conv1d.bias', [channels]]] : [weight];
}

/** Whether a tensor is the matrix of a linear layer or an embedding: what backends may keep in blocks. */
export function isMatrix(name: string): boolean {
  return name.endsWith('.weight') && !/(^|\.)(norm\w*|conv1d)\.weight$/.test(name);
}

/** A checkpoint's tensors under canonical names. */
export interface MatchedTensors {
  readonly tensors: ReadonlyMap<string, { readonly entry: TensorEntry; readonly shape: Shape }>;
  /** A head that the config calls tied but the file holds too: it must equal the embedding. */
  readonly tiedHead?: TensorEntry;
}

/**
 * Finds each expected tensor among a checkpoint's.
 * @throws CheckpointError naming those that are missing, that the model does not have, and whose shape or type is wrong
 */
export function matchTensors(config: ModelConfig, entries: ReadonlyMap<string, TensorEntry>): MatchedTensors {
  const rest = new Map<string, TensorEntry>();
  const problems = {
    missing: [] as string[],
    'not of this model': [] as string[],
    'of the wrong shape': [] as string[],
    'of a type that is no float': [] as string[],
  };
  for (const entry of entries.values()) {
    const name = canonicalName(entry.name);
    if (rest.has(name)) problems['not of this model'].push(shown(entry.name));
    else rest.set(name, entry);
  }
  const take = (name: string, fileShape: Shape) => {
    const entry = rest.get(name);
    rest.delete(name);
    if (!entry) problems.missing.push(name);
    else if (entry.shape.join() !== fileShape.join())
      problems['of the wrong shape'].push(
        `${shown(entry.name)} (${entry.shape.slice(0, 8).join(', ')}), expected (${fileShape.join(', ')})`,
      );
    else if (!floats.has(entry.dtype))
      problems['of a type that is no float'].push(`${shown(entry.name)} ${entry.dtype}`);
    return entry;
  };

  const tensors = new Map<string, { entry: TensorEntry; shape: Shape }>();
  for (const [name, { shape, fileShape }] of expectedTensors(config)) {
    const entry = take(name, fileShape);
    if (entry) tensors.set(name, { entry, shape });
  }
  const tiedHead =
    config.tieEmbeddings && rest.has('lm_head.weight')
      ? take('lm_head.weight', [config.paddedVocabSize, config.dModel])
      : undefined;
  for (const entry of rest.values()) problems['not of this model'].push(shown(entry.name));
  report(problems);
  return { tensors, ...(tiedHead && { tiedHead }) };
}

/** transformers says `embeddings` where mamba_ssm says `embedding`, and reads both; mistral-inference puts `model.` in front. */
function canonicalName(name: string): string {
  return name
    .replace(/^model\.(?=backbone\.|lm_head\.)/, '')
    .replace(/^backbone\./, '')
    .replace(/^embeddings\.weight$/, 'embedding.weight');
}

/** Names listed of each kind: a config of another model makes every tensor wrong. */
const listed = 4;

function report(problems: Readonly<Record<string, readonly string[]>>): void {
  const kinds = Object.entries(problems).filter(([, names]) => names.length > 0);
  if (kinds.length === 0) return;
  const given = kinds.map(([kind, names]) => {
    const more = names.length > listed ? ` and ${names.length - listed} more` : '';
    return `${kind}: ${names.slice(0, listed).join('; ')}${more}`;
  });
  throw new CheckpointError('the tensors are not those of the model in config.json', {
    given: given.join(' | '),
    fix: 'use the config.json and the weights of one checkpoint',
  });
}
