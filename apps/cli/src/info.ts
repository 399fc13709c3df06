import type { Mamba2 } from '@mamba2/model';
import { type Command, modelHelp, modelOptions, openModel, UsageError } from './options.js';

export const infoCommand: Command = {
  summary: 'says what a checkpoint holds and where it would run',
  help: `mamba2 info [options]

${modelHelp}`,
  options: modelOptions,
  async run(parsed, io) {
    if (parsed.positionals.length > 0) throw new UsageError('info takes no text; name a checkpoint with --model');
    const model = await openModel(parsed, io);
    try {
      const facts = describe(model);
      if (parsed.values['json'] === true)
        io.stdout.write(`${JSON.stringify({ ...facts, config: model.config, backend: model.backend.describe() })}\n`);
      else
        for (const [name, value] of Object.entries(facts))
          io.stdout.write(`${name.replaceAll('_', ' ').padEnd(18)}${value}\n`);
    } finally {
      model.dispose();
    }
  },
};

function describe(model: Mamba2): Record<string, string | number> {
  const { config } = model;
  const state = model.newState();
  const [first] = config.layers;
  const kinds = [...new Set(config.layers.map(({ mixer }) => mixer.type))].join(' and ');
  const facts: Record<string, string | number> = {
    name: model.name,
    format: config.format,
    parameters: model.parameters,
    stored_bytes: model.byteLength,
    layers: `${config.layers.length} of ${kinds}`,
    width: config.dModel,
    ...(first?.mixer.type === 'mamba2' && {
      heads: `${first.mixer.nheads} of ${first.mixer.headdim}, state size ${first.mixer.dState}`,
    }),
    vocabulary: config.vocabSize,
    tokenizer: model.tokenizer ? `${model.tokenizer.vocabSize} tokens` : 'none',
    state_bytes: state.byteLength,
    fingerprint: model.fingerprint,
    backend: `${model.backend.name}: ${model.backend.describe().device}`,
  };
  state.dispose();
  return facts;
}
