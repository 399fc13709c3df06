/**
 * Keys of transformers' configs that change nothing about a forward pass, by why. Those of `PreTrainedConfig` and of every release since
 * 4.39 that may be in a `config.json`.
 */
export const commonWithoutEffect: Readonly<Record<string, string>> = {
  // Where the checkpoint comes from. The element type is that of the weights in their file.
  _name_or_path: 'provenance',
  name_or_path: 'provenance',
  _commit_hash: 'provenance',
  transformers_version: 'provenance',
  architectures: 'provenance: model_type and the tensors decide',
  _from_model_config: 'provenance',
  dtype: "the tensors' own types decide",
  torch_dtype: "the tensors' own types decide",
  use_bfloat16: "the tensors' own types decide",

  // How weights were initialised and trained.
  initializer_range: 'initialisation',
  rescale_prenorm_residual: 'initialisation',
  time_step_min: 'initialisation of dt_bias',
  time_step_max: 'initialisation of dt_bias',
  time_step_floor: 'initialisation of dt_bias',
  time_step_scale: 'initialisation of dt_proj',
  time_step_init_scheme: 'initialisation of dt_proj',
  gradient_checkpointing: 'training',

  // Precision of sums that are always kept in f32 or wider here, which is `true`; with `false` transformers rounds more.
  residual_in_fp32: 'the residual stream is never narrower than f32',

  // How a kernel computes the same thing, and what a Python call returns.
  fused_add_norm: 'implementation',
  chunk_size_feed_forward: 'implementation',
  torchscript: 'implementation',
  attn_implementation: 'implementation',
  _attn_implementation: 'implementation',
  _attn_implementation_internal: 'implementation',
  _attn_implementation_autoset: 'implementation',
  experts_implementation: 'implementation',
  _experts_implementation: 'implementation',
  use_cache: 'implementation: the state is always kept',
  output_attentions: 'return value',
  output_hidden_states: 'return value',
  return_dict: 'return value',
  tf_legacy_loss: 'return value',

  // Heads other than the language model's, whose tensors would be refused as extra.
  id2label: 'classification',
  label2id: 'classification',
  num_labels: 'classification',
  problem_type: 'classification',
  finetuning_task: 'classification',
  task_specific_params: 'classification',

  // Text around the model.
  is_decoder: 'a state-space model is one always',
  pad_token_id: 'batches carry their lengths, so padding is never read',
  sep_token_id: 'text',
  decoder_start_token_id: 'text',
  prefix: 'text',
  tokenizer_class: 'text: tokenizer.json decides',
};

/**
 * Defaults for `generate()` that releases before 4.50 kept in `config.json`. Those whose default is null forbid or force tokens when set, so
 * they are refused; the others yield to the caller's options.
 */
export const generationDefaults: Readonly<Record<string, number | boolean | null>> = {
  max_length: 20,
  min_length: 0,
  do_sample: false,
  early_stopping: false,
  num_beams: 1,
  num_beam_groups: 1,
  diversity_penalty: 0,
  temperature: 1,
  top_k: 50,
  top_p: 1,
  typical_p: 1,
  repetition_penalty: 1,
  length_penalty: 1,
  no_repeat_ngram_size: 0,
  encoder_no_repeat_ngram_size: 0,
  num_return_sequences: 1,
  output_scores: false,
  return_dict_in_generate: false,
  remove_invalid_values: false,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  encoder_repetition_penalty: 1,
  bad_words_ids: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  suppress_tokens: null,
  begin_suppress_tokens: null,
  exponential_decay_length_penalty: null,
};
