import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Backend, DeviceError } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { wasm } from '@mamba2/ssd-cpu';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldens } from '../../../fixtures/read.ts';
import { type LoadDtype, Mamba2 } from '../src/index.js';
import { serve } from './support/checkpoint-files.js';
import { float32Head, mamba2Config, virtualCheckpoint } from './support/virtual.js';

describe('loading takes at most 1.2 times the checkpoint', () => {
  // 516 MB of float32 in the shape of mamba2-130m, of which the embedding is nearly a third: a second copy of it alone would pass the bound. The file is a hole but for its head.
  const config = mamba2Config(768, 24, 50280);
  const { head, bytes } = float32Head(config);
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mamba2-'));
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const file = await open(join(folder, 'model.safetensors'), 'w');
    await file.write(head);
    await file.truncate(head.length + bytes);
    await file.close();
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function expectOnce(small: string, large: string): Promise<void> {
    const script = fileURLToPath(new URL('support/load-and-measure.ts', import.meta.url));
    const args = ['--conditions=@mamba2/source', '--import', 'tsx', script];
    const cwd = fileURLToPath(new URL('../../../', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [...args, small, large], { cwd });
    const { byteLength, grown } = JSON.parse(stdout) as { byteLength: number; grown: number };
    expect(byteLength).toBe(bytes);
    expect(grown / bytes).toBeGreaterThan(0.9); // or else the weights are somewhere else
    expect(grown / bytes).toBeLessThan(1.2);
  }

  const tiny = fileURLToPath(new URL('models/hf_mamba2_tiny/', goldens));

  test('from a folder', () => expectOnce(tiny, folder));

  test('from a server that sends it only as a whole', async () => {
    const { url, close } = await serve(async (request, response) => {
      const [, which, name] = request.url!.split('/');
      const path = join(which === 'tiny' ? tiny : folder, name!);
      const found = await stat(path).catch(() => undefined);
      if (!found) return response.writeHead(404).end();
      return createReadStream(path).pipe(response.writeHead(200, { 'content-length': found.size }));
    });
    await expectOnce(`${url}tiny/`, `${url}large/`).finally(close);
  });
});

describe('a model past 4 GiB is refused before it is read, by the name of the type that would fit', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await wasm({ threads: 1 });
  });
  afterAll(() => backend.dispose());

  async function refused(width: number, layers: number, dtype?: LoadDtype): Promise<string> {
    const source = virtualCheckpoint('the model', mamba2Config(width, layers));
    const error: unknown = await Mamba2.load(source, { backend, ...(dtype && { dtype }) }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DeviceError);
    return (error as DeviceError).message;
  }

  test('float16', async () => {
    expect(await refused(2048, 48)).toMatchInlineSnapshot(
      `"the weights of the model don't fit into the memory of wasm; given: 5.01 GiB (dtype: "stored"); expected: at most 4.00 GiB; to mend it: load it with dtype: "f16", which takes 2.51 GiB"`,
    );
  });

  test('8 bits, 4 bits', async () => {
    expect(await refused(2560, 64)).toMatchInlineSnapshot(
      `"the weights of the model don't fit into the memory of wasm; given: 10.07 GiB (dtype: "stored"); expected: at most 4.00 GiB; to mend it: load it with dtype: "q8", which takes 2.68 GiB"`,
    );
    expect(await refused(4096, 64)).toMatchInlineSnapshot(
      `"the weights of the model don't fit into the memory of wasm; given: 25.16 GiB (dtype: "stored"); expected: at most 4.00 GiB; to mend it: load it with dtype: "q4", which takes 3.55 GiB"`,
    );
  });

  test('none', async () => {
    expect(await refused(8192, 64, 'f16')).toMatchInlineSnapshot(
      `"the weights of the model don't fit into the memory of wasm; given: 49.29 GiB (dtype: "f16"); expected: at most 4.00 GiB; to mend it: use a smaller model, or a backend with more memory"`,
    );
  });

  test('a backend without a limit reads on', async () => {
    const source = virtualCheckpoint('the model', mamba2Config(64, 1, 300));
    const model = await Mamba2.load(source, { backend: reference() as Backend });
    expect(model.parameters).toBeGreaterThan(0);
    model.dispose();
  });
});
