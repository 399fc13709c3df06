import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Mamba2, type Piece } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../src/run.js';

let folder: string;
let model: Mamba2;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mamba2-'));
  model = await Mamba2.load(storyteller);
});
afterAll(async () => {
  model.dispose();
  await rm(folder, { recursive: true });
});

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the command in this process. */
async function mamba2(
  args: string[],
  { stdin = '', signal = new AbortController().signal, onText = (text: string): void => void text } = {},
): Promise<Outcome> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const texts = [stdout, stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString('utf8');
  });
  stdout.on('data', (chunk: Buffer) => onText(chunk.toString()));
  const code = await run(args, { stdin: Readable.from([Buffer.from(stdin)]), stdout, stderr, signal });
  stdout.end();
  stderr.end();
  return { code, stdout: texts[0]!(), stderr: texts[1]!() };
}

async function library(prompt: string, options: Parameters<Mamba2['generate']>[1]): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of model.generate(prompt, options)) pieces.push(piece);
  return pieces;
}

describe('generate', () => {
  const base = ['generate', 'Once upon a time', '--seed', '5', '--max-tokens', '12'];

  test('writes the prompt and what the library would add to it', async () => {
    const { code, stdout, stderr } = await mamba2(base);
    const pieces = await library('Once upon a time', { seed: 5, maxTokens: 12 });
    expect(stdout).toBe(`Once upon a time${pieces.map((p) => p.text).join('')}\n`);
    expect(stderr).toMatch(/^12 tokens, [\d.]+ tokens\/s on wasm, seed 5, stopped by length\n$/);
    expect(code).toBe(0);
  });

  test('--json prints one object', async () => {
    const { stdout, stderr } = await mamba2([...base, '--json']);
    const pieces = await library('Once upon a time', { seed: 5, maxTokens: 12 });
    expect(JSON.parse(stdout)).toEqual({
      text: pieces.map((p) => p.text).join(''),
      ids: pieces.map((p) => p.id),
      prompt_ids: model.encode('Once upon a time'),
      tokens_per_second: expect.any(Number),
      stopped: 'length',
    });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toBe('');
  });

  test('every sampling option reaches the model', async () => {
    const flags = [
      '--temperature',
      '1.3',
      '--top-k',
      '40',
      '--top-p',
      '0.9',
      '--min-p',
      '0.02',
      '--repetition-penalty',
      '1.3',
    ];
    const { stdout } = await mamba2([...base, '--json', ...flags, '--stop', ' the', '--stop', 'zzz', '--ignore-eos']);
    const options = {
      temperature: 1.3,
      topK: 40,
      topP: 0.9,
      minP: 0.02,
      repetitionPenalty: 1.3,
      stop: [' the', 'zzz'],
      ignoreEos: true,
    };
    const pieces = await library('Once upon a time', { seed: 5, maxTokens: 12, ...options });
    expect((JSON.parse(stdout) as { ids: number[] }).ids).toEqual(pieces.map((p) => p.id));
  });

  test('--state-out and --state-in go on where the text stopped', async () => {
    const file = join(folder, 'state.safetensors');
    const whole = JSON.parse((await mamba2([...base, '--json'])).stdout) as { ids: number[] };
    const first = await mamba2([
      'generate',
      'Once upon a time',
      '--seed',
      '5',
      '--max-tokens',
      '5',
      '--json',
      '--state-out',
      file,
    ]);
    const second = await mamba2(['generate', '--seed', '5', '--max-tokens', '7', '--json', '--state-in', file]);
    const ids = [first, second].flatMap(({ stdout }) => (JSON.parse(stdout) as { ids: number[] }).ids);
    expect(ids).toEqual(whole.ids);
  });

  test('a prompt of - comes from stdin; no prompt begins a text', async () => {
    const piped = await mamba2(['generate', '-', ...base.slice(2)], { stdin: 'Once upon a time' });
    expect(piped.stdout).toBe((await mamba2(base)).stdout);
    const { code, stdout } = await mamba2(['generate', '--seed', '1', '--max-tokens', '8']);
    expect(code).toBe(0);
    expect(stdout.trim()).not.toBe('');
  });

  test('an interrupt ends the text and is told by the exit status', async () => {
    const control = new AbortController();
    let seen = '';
    const onText = (text: string) => {
      seen += text;
      if (seen.length > 'Once upon a time'.length + 8) control.abort();
    };
    const { code, stdout } = await mamba2(['generate', 'Once upon a time', '--max-tokens', '100000', '--ignore-eos'], {
      signal: control.signal,
      onText,
    });
    expect(code).toBe(130);
    expect(stdout.endsWith('\n')).toBe(true);
  });
});

describe('score', () => {
  const text = 'Once upon a time there was a poor little boy.';

  test('gives the bits per byte that the library gives, from an argument, a file or stdin', async () => {
    const { bitsPerByte, tokens } = await model.score(text);
    const file = join(folder, 'text.txt');
    await writeFile(file, text);
    const { stdout, stderr } = await mamba2(['score', text]);
    expect(stdout).toBe(`${bitsPerByte.toFixed(4)} bits per byte\n`);
    expect(stderr).toMatch(new RegExp(`^${tokens.length} tokens, ${text.length} bytes, [\\d.]+ tokens/s on wasm\n$`));
    expect((await mamba2(['score', '--file', file])).stdout).toBe(stdout);
    expect((await mamba2(['score', '-'], { stdin: text })).stdout).toBe(stdout);
    expect(JSON.parse((await mamba2(['score', text, '--json'])).stdout)).toEqual({
      bits_per_byte: bitsPerByte,
      log_prob: expect.any(Number),
      bytes: text.length,
      tokens: tokens.map(({ id, logProb }) => ({ id, log_prob: logProb })),
    });
  });
});

test('info names the model and where it would run', async () => {
  const { code, stdout } = await mamba2(['info']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^name +storyteller$/m);
  expect(stdout).toMatch(/^backend +wasm: WebAssembly, .+$/m);
  const facts = JSON.parse((await mamba2(['info', '--json'])).stdout) as Record<string, unknown>;
  expect(facts).toMatchObject({
    parameters: model.parameters,
    format: 'transformers',
    config: { dModel: model.config.dModel },
  });
});

test('help goes to stdout', async () => {
  expect(await mamba2([])).toMatchObject({ code: 0, stdout: expect.stringContaining('generate') });
  for (const name of ['generate', 'score', 'info']) {
    const { code, stdout } = await mamba2([name, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`mamba2 ${name}`);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(130);
  }
});

describe('quantize', () => {
  const checkpoint = fileURLToPath(new URL('../../../models/storyteller/checkpoint', import.meta.url));

  test.each([
    ['q8', '4.9 MB of weights, 54% of 9.2 MB'],
    ['q4', '2.6 MB of weights, 29% of 9.2 MB'],
  ])('writes a folder in %s that generates what the original does with --dtype', async (dtype, summary) => {
    const out = join(folder, 'deeper', dtype);
    const { code, stdout, stderr } = await mamba2(['quantize', checkpoint, out, '--dtype', dtype]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${out}: ${summary}\n`, stderr: '' });
    expect((await readdir(out)).sort()).toEqual((await readdir(checkpoint)).sort());
    expect(await readdir(dirname(out))).not.toContainEqual(expect.stringMatching(/^\./));
    const words = ['generate', 'Once upon a time', '--seed', '5', '--max-tokens', '12', '--backend', 'wasm'];
    const [small, large] = [await mamba2([...words, '-m', out]), await mamba2([...words, '--dtype', dtype])];
    expect(small.stdout).toBe(large.stdout);
  });

  test('--json prints one object', async () => {
    const out = join(folder, 'json');
    const { stdout } = await mamba2(['quantize', checkpoint, out, '-d', 'q4', '--json']);
    const { size } = await stat(join(out, 'model.safetensors'));
    expect(JSON.parse(stdout)).toMatchObject({
      folder: out,
      dtype: 'q4',
      files: { 'model.safetensors': size },
      read_bytes: 9_165_280,
    });
  });

  test('overwrites nothing, and leaves nothing when it fails or is interrupted', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, 'mine');
    const here = await readdir(folder);
    expect((await mamba2(['quantize', checkpoint, folder, '-d', 'q8'])).stderr).toContain('is not empty');
    expect((await mamba2(['quantize', checkpoint, file, '-d', 'q8'])).stderr).toContain('is not a folder');
    expect((await mamba2(['quantize', '/nowhere/at/all', join(folder, 'new'), '-d', 'q8'])).code).toBe(1);
    const interrupted = { signal: AbortSignal.abort() };
    expect((await mamba2(['quantize', checkpoint, join(folder, 'new'), '-d', 'q8'], interrupted)).code).toBe(130);
    expect(await readdir(folder)).toEqual(here);
  });
});

describe('errors are one line on stderr, with a status of their own', () => {
  const usage: [string[], string][] = [
    [['rhyme'], 'mamba2: unknown command "rhyme"; one of generate, score, info, quantize\n'],
    [['generate', 'a', 'b'], 'mamba2: one text expected, 2 given; put it in quotes\n'],
    [['generate', 'a', '--seed', 'x'], 'mamba2: --seed takes a number, not "x"\n'],
    [['generate', 'a', '--backend', 'abacus'], 'mamba2: unknown backend "abacus"; one of reference, wasm, webgpu\n'],
    [['generate', 'a', '--dtype', 'q5'], 'mamba2: unknown dtype "q5"; one of stored, f32, f16, bf16, q8, q4\n'],
    [['quantize', 'a'], 'mamba2: quantize takes two places, IN and OUT; 1 given\n'],
    [['quantize', 'a', 'b'], 'mamba2: give --dtype q8 or q4\n'],
    [['quantize', 'a', 'b', '--dtype', 'f16'], 'mamba2: --dtype takes q8 or q4, not "f16"\n'],
    [['score'], 'mamba2: give a text, --file FILE, or - to read stdin\n'],
    [['info', 'storyteller'], 'mamba2: info takes no text; name a checkpoint with --model\n'],
  ];
  test.each(usage)('%j', async (args, message) => {
    expect(await mamba2(args)).toEqual({ code: 2, stdout: '', stderr: message });
  });

  test('an unknown option', async () => {
    const { code, stderr } = await mamba2(['generate', 'a', '--temprature', '1']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^mamba2: Unknown option '--temprature'.*\n$/);
  });

  const failures: [string[], RegExp][] = [
    [['generate', 'a', '--model', '/nowhere/at/all'], /^mamba2: .*\/nowhere\/at\/all.*\n$/],
    [['generate', 'a', '--temperature=-1'], /^mamba2: temperature; given: -1; expected: a number ≥ 0 and ≤ 1000\n$/],
    [['generate', ''], /^mamba2: the prompt is empty; .*\n$/],
    [['generate', 'a', '--state-in', '/nowhere.safetensors'], /^mamba2: .*\/nowhere\.safetensors.*\n$/],
    [['score', ''], /^mamba2: score; given: an empty text; expected: at least one token\n$/],
  ];
  test.each(failures)('%j', async (args, message) => {
    const { code, stderr } = await mamba2(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  test('a file that is not a state', async () => {
    const file = join(folder, 'not-a-state');
    await writeFile(file, await readFile(new URL('../package.json', import.meta.url)));
    const { code, stderr } = await mamba2(['generate', 'a', '--state-in', file]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^mamba2: .+\n$/);
  });
});
