import { readFile, writeFile } from 'node:fs/promises';
import type { GenerateOptions, Mamba2, State } from '@mamba2/model';
import {
  type Command,
  inputText,
  type Io,
  modelHelp,
  modelOptions,
  number,
  openModel,
  text,
  UsageError,
  type Values,
} from './options.js';
import { progressLine } from './progress.js';

export const generateCommand: Command = {
  summary: 'goes on from a prompt',
  help: `mamba2 generate [PROMPT] [options]

Writes PROMPT and what the model adds to it; a PROMPT of - is read from stdin. Without one the model begins a text of its own, or
goes on from --state-in.

      --max-tokens N          the most tokens to add (256)
      --temperature X         0 picks the most likely token (0.8)
      --top-k K               only the K most likely tokens (off)
      --top-p P               only the most likely tokens that make up P (off)
      --min-p P               only tokens at least P times as likely as the most likely (0.05)
      --repetition-penalty R  above 1 makes tokens seen before less likely (1)
      --seed N                same seed, same text (random)
      --stop TEXT             end before TEXT; may be given more than once
      --ignore-eos            go on past the end of a text
      --state-in FILE         go on from a saved state
      --state-out FILE        save the state afterwards
${modelHelp}`,
  options: {
    ...modelOptions,
    'max-tokens': { type: 'string' },
    temperature: { type: 'string' },
    'top-k': { type: 'string' },
    'top-p': { type: 'string' },
    'min-p': { type: 'string' },
    'repetition-penalty': { type: 'string' },
    seed: { type: 'string' },
    stop: { type: 'string', multiple: true },
    'ignore-eos': { type: 'boolean' },
    'state-in': { type: 'string' },
    'state-out': { type: 'string' },
  },
  async run(parsed, io) {
    const { values } = parsed;
    const options = generateOptions(values);
    const given = await inputText(parsed, io);
    const model = await openModel(parsed, io);
    try {
      await write(model, given, options, values, io);
    } finally {
      model.dispose();
    }
  },
};

function generateOptions(values: Values): GenerateOptions {
  return {
    maxTokens: number(values, 'max-tokens'),
    temperature: number(values, 'temperature'),
    topK: number(values, 'top-k'),
    topP: number(values, 'top-p'),
    minP: number(values, 'min-p'),
    repetitionPenalty: number(values, 'repetition-penalty'),
    seed: number(values, 'seed') ?? Math.floor(Math.random() * 2 ** 32),
    stop: (values['stop'] as string[] | undefined) ?? [],
    ignoreEos: values['ignore-eos'] === true,
  };
}

async function write(
  model: Mamba2,
  given: string | undefined,
  options: GenerateOptions,
  values: Values,
  io: Io,
): Promise<void> {
  const stateIn = text(values, 'state-in');
  const stateOut = text(values, 'state-out');
  const state: State = stateIn === undefined ? model.newState() : await model.loadState(await readFile(stateIn));
  const begin = given ?? (state.length > 0 ? '' : beginning(model));
  const promptIds = typeof begin === 'string' ? model.encode(begin, { state }) : begin;
  const json = values['json'] === true;
  if (!json && given !== undefined) io.stdout.write(given);

  const progress = progressLine(io.stderr);
  const ids: number[] = [];
  let added = '';
  let stopped = '';
  let started = performance.now();
  const onPrompt = ({ fed, total }: { fed: number; total: number }) => {
    progress.show('reading the prompt', fed, total);
    started = performance.now();
  };
  for await (const piece of model.generate(promptIds, { ...options, state, signal: io.signal, onPrompt })) {
    progress.clear();
    added += piece.text;
    if (piece.id !== undefined) ids.push(piece.id);
    if (piece.stopped) stopped = piece.stopped;
    if (!json) io.stdout.write(piece.text);
  }
  const seconds = (performance.now() - started) / 1000;
  if (stateOut !== undefined) await writeFile(stateOut, await state.save());
  const rate = Number((ids.length / seconds).toFixed(1));
  if (json) {
    const result = { text: added, ids, prompt_ids: [...promptIds], tokens_per_second: rate, stopped };
    io.stdout.write(`${JSON.stringify(result)}\n`);
  } else {
    io.stdout.write('\n');
    io.stderr.write(
      `${ids.length} tokens, ${rate} tokens/s on ${model.backend.name}, seed ${options.seed}, stopped by ${stopped}\n`,
    );
  }
}

/** The tokens that a text of the model's own begins after. @throws UsageError for a model that names none */
function beginning(model: Mamba2): number[] {
  const id = model.config.bosTokenId ?? model.eosTokenIds[0];
  if (id === undefined) throw new UsageError('this model names no token that a text begins with: give a prompt');
  return [id];
}
