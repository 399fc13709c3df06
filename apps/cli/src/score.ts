import { readFile } from 'node:fs/promises';
import { type Command, inputText, modelHelp, modelOptions, openModel, text, UsageError } from './options.js';
import { progressLine } from './progress.js';

export const scoreCommand: Command = {
  summary: 'says how likely a text is, in bits per byte',
  help: `mamba2 score [TEXT] [options]

Prints the bits per byte that the model needs for TEXT; a TEXT of - is read from stdin.

  -f, --file FILE       score a file's text
${modelHelp}`,
  options: { ...modelOptions, file: { type: 'string', short: 'f' } },
  async run(parsed, io) {
    const { values } = parsed;
    const file = text(values, 'file');
    if (file !== undefined && parsed.positionals.length > 0) throw new UsageError('give a text or --file, not both');
    const subject = file === undefined ? await inputText(parsed, io) : await readFile(file, 'utf8');
    if (subject === undefined) throw new UsageError('give a text, --file FILE, or - to read stdin');
    const model = await openModel(parsed, io);
    const progress = progressLine(io.stderr);
    try {
      const started = performance.now();
      const { tokens, logProb, bytes, bitsPerByte } = await model.score(subject, {
        signal: io.signal,
        onProgress: ({ scored, total }) => progress.show('scoring', scored, total),
      });
      progress.clear();
      const rate = Number((tokens.length / ((performance.now() - started) / 1000)).toFixed(1));
      if (values['json'] === true) {
        const list = tokens.map(({ id, logProb: value }) => ({ id, log_prob: value }));
        io.stdout.write(`${JSON.stringify({ bits_per_byte: bitsPerByte, log_prob: logProb, bytes, tokens: list })}\n`);
        return;
      }
      io.stdout.write(`${bitsPerByte.toFixed(4)} bits per byte\n`);
      io.stderr.write(`${tokens.length} tokens, ${bytes} bytes, ${rate} tokens/s on ${model.backend.name}\n`);
    } finally {
      progress.clear();
      model.dispose();
    }
  },
};
