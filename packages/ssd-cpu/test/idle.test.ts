import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it.each([1, 2, 4])('the threads of an idle backend, %i of them, sleep and let their process end', async (threads) => {
  const folder = await mkdtemp(join(tmpdir(), 'idle-'));
  try {
    const outfile = join(folder, 'idle.mjs');
    const contents = `
      import { wasm } from './src/index.ts';
      import { meeting } from './src/device/addresses.ts';
      let memory;
      WebAssembly.Memory = new Proxy(WebAssembly.Memory, { construct: (Memory, [limits]) => (memory = new Memory(limits)) });
      const backend = await wasm({ threads: ${threads} });
      const t = backend.upload([1, 2]);
      console.log(JSON.stringify([...(await backend.read(backend.add(t, t)))]));
      const words = new Int32Array(memory.buffer);
      while (Atomics.load(words, meeting.WAITING / 4) < ${threads - 1}) await new Promise((resolve) => setTimeout(resolve));`;
    const resolveDir = new URL('..', import.meta.url).pathname;
    await build({
      stdin: { contents, resolveDir, loader: 'ts' },
      bundle: true,
      format: 'esm',
      platform: 'node',
      conditions: ['@mamba2/source'],
      outfile,
    });
    // Ends by itself, or is ended, which is an error.
    const { stdout } = await promisify(execFile)(process.execPath, [outfile], { timeout: 20_000 });
    expect(JSON.parse(stdout)).toEqual([2, 4]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
