/**
 * The storyteller: a 4.6-million-parameter Mamba-2 language model of fairy tales and Shakespeare, as a source for `Mamba2.load`.
 * Its files lie beside this package's code, in Node and, since every address is a literal, in what bundlers make of it.
 */
export const storyteller = {
  name: 'storyteller',
  files: {
    'config.json': new URL('../checkpoint/config.json', import.meta.url),
    'generation_config.json': new URL('../checkpoint/generation_config.json', import.meta.url),
    'model.safetensors': new URL('../checkpoint/model.safetensors', import.meta.url),
    'special_tokens_map.json': new URL('../checkpoint/special_tokens_map.json', import.meta.url),
    'tokenizer.json': new URL('../checkpoint/tokenizer.json', import.meta.url),
    'tokenizer_config.json': new URL('../checkpoint/tokenizer_config.json', import.meta.url),
  },
} as const;
