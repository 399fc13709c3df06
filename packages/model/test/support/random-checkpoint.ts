import { stored, type Stored } from '@mamba2/core';
import { randomInputs } from '../../../core/test/support/random-inputs.js';
import { parseConfig } from '../../src/checkpoint/checkpoint.js';
import type { JsonObject } from '../../src/checkpoint/json.js';
import { expectedTensors } from '../../src/checkpoint/layout.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors.js';
import { encode, type Files } from './checkpoint-files.js';

/** A checkpoint of whatever a mamba_ssm config describes, with random weights in f32, its tensors by their names there, and those weights by canonical name. */
export function randomCheckpoint(
  json: JsonObject,
  seed = 1,
): { files: Files; tensors: Record<string, Stored>; weights: Record<string, Float64Array> } {
  const random = randomInputs(seed);
  const tensors: Record<string, Stored> = {};
  const weights: Record<string, Float64Array> = {};
  for (const [name, { shape, fileShape }] of expectedTensors(parseConfig(json))) {
    const count = shape.reduce((a, b) => a * b, 1);
    const isNorm = name.includes('norm');
    const deviation = shape.length > 1 ? 1 / Math.sqrt(shape.at(-1)!) : 0.3;
    const values = name.endsWith('A_log') ? random.uniform(count, 0, 2) : random.normal(count, deviation);
    weights[name] = isNorm ? values.map((v) => Math.fround(1 + v)) : values;
    const key = name.startsWith('lm_head') ? name : `backbone.${name}`;
    tensors[key] = stored(Float32Array.from(weights[name]), fileShape);
  }
  const files = { 'config.json': encode(JSON.stringify(json)), 'model.safetensors': writeSafetensors(tensors, {}) };
  return { files, tensors, weights };
}
