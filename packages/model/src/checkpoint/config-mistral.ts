import type { ModelConfig } from '../config.js';
import { parseMambaSsmConfig } from './config-mamba-ssm.js';
import { ConfigReader } from './config-reader.js';
import type { JsonObject } from './json.js';

/**
 * Codestral Mamba's own `params.json`. mistral-inference (src/mistral_inference/mamba.py) builds mamba_ssm's model from it, so it means what that
 * means: above all, the gated norm is over each of the `n_groups` groups, while transformers, reading the converted `config.json` of the same
 * weights, normalises over the whole width.
 * @throws CheckpointError, UnsupportedError as `parseMambaSsmConfig`
 */
export function parseMistralParams(json: JsonObject): ModelConfig {
  const params = new ConfigReader('params.json', json);
  params.only('model_type', ['mamba'], 'another architecture than Mamba');
  const config = parseMambaSsmConfig({
    d_model: params.count('dim', undefined),
    n_layer: params.count('n_layers', undefined),
    vocab_size: params.count('vocab_size', undefined),
    ssm_cfg: { layer: 'Mamba2', ngroups: params.count('n_groups', 8) },
    rms_norm: params.flag('rms_norm', true),
    residual_in_fp32: params.flag('residual_in_fp32', true),
    fused_add_norm: params.flag('fused_add_norm', true),
    pad_vocab_size_multiple: params.count('pad_vocab_size_multiple', 1),
    tie_embeddings: params.flag('tie_embeddings', false),
  });
  params.finish();
  return config;
}
