import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { quantize, type QuantizeOptions } from '@mamba2/model';
import { type Command, hubOptions, type Io, text, UsageError } from './options.js';
import { progressLine } from './progress.js';

export const quantizeCommand: Command = {
  summary: 'stores a checkpoint in 8-bit or 4-bit numbers',
  help: `mamba2 quantize IN OUT --dtype q8|q4 [options]

Reads the checkpoint IN, a folder, URL or hub id, and writes it to the new folder OUT with its matrices rounded: blocks of 32 numbers of 8 or 4
bits to a scale. What else it holds, its config and its tokenizer go along. All commands take OUT as --model.

  -d, --dtype q8|q4         8.5 bits a number, as good as the original; or 4.5 bits, a little worse
      --revision NAME       a hub model's branch, tag or commit
      --json                one JSON object on stdout in place of text
  -h, --help                this text
`,
  options: { dtype: { type: 'string', short: 'd' }, revision: { type: 'string' }, json: { type: 'boolean' } },
  async run({ values, positionals }, io) {
    const dtype = text(values, 'dtype');
    const [from, to] = positionals;
    if (from === undefined || to === undefined || positionals.length > 2)
      throw new UsageError(`quantize takes two places, IN and OUT; ${positionals.length} given`);
    if (dtype !== 'q8' && dtype !== 'q4')
      throw new UsageError(dtype === undefined ? 'give --dtype q8 or q4' : `--dtype takes q8 or q4, not "${dtype}"`);
    await expectFree(to);
    const sizes = await replaced(to, (folder) => write(from, folder, { dtype, ...hubOptions(values) }, io));
    if (values['json'] === true) {
      io.stdout.write(`${JSON.stringify({ folder: to, dtype, files: sizes.files, read_bytes: sizes.read })}\n`);
      return;
    }
    const written = sizes.files['model.safetensors'] ?? 0;
    const share = Math.round((100 * written) / Math.max(1, sizes.read));
    io.stdout.write(`${to}: ${megabytes(written)} of weights, ${share}% of ${megabytes(sizes.read)}\n`);
  },
};

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** @throws UsageError unless a folder can be made there: nothing is overwritten */
async function expectFree(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new UsageError(`${folder} is not a folder`);
  });
  if (entries.length > 0) throw new UsageError(`${folder} is not empty; name a new folder`);
}

/** Fills a folder beside the wanted one, which takes its place when all is written; a failure leaves nothing. */
async function replaced<T>(folder: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const place = resolve(folder);
  const scratch = join(dirname(place), `.${basename(place)}.${randomUUID()}`);
  await mkdir(scratch, { recursive: true });
  try {
    const result = await fill(scratch);
    await rmdir(place).catch(() => {}); // an empty one is in the way
    await rename(scratch, place);
    return result;
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
}

/** Writes the files; their sizes, and how many bytes of tensors were read. */
async function write(from: string, folder: string, options: QuantizeOptions, io: Io) {
  const progress = progressLine(io.stderr);
  const files: Record<string, number> = {};
  let read = 0;
  let current: { name: string; handle: FileHandle } | undefined;
  const onProgress = (done: { read: number; total: number }) => {
    read = done.total;
    progress.show(`rounding ${from} to ${options.dtype}`, done.read, done.total);
  };
  try {
    for await (const { file, bytes } of quantize(from, { ...options, signal: io.signal, onProgress })) {
      if (current?.name !== file) {
        await current?.handle.close();
        current = undefined;
        current = { name: file, handle: await open(join(folder, file), 'wx') };
      }
      // A write may take part of the bytes only: writeFile on a handle goes on from where it is until all are there.
      await current.handle.writeFile(bytes);
      files[file] = (files[file] ?? 0) + bytes.byteLength;
    }
  } finally {
    await current?.handle.close();
    progress.clear();
  }
  return { files, read };
}
