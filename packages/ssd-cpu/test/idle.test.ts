import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

it.each([1, 2, 4])(
  'an idle backend of %i threads takes no processor time and lets its process end',
  async (threads) => {
    const folder = await mkdtemp(join(tmpdir(), 'idle-'));
    try {
      const outfile = join(folder, 'idle.mjs');
      const contents = `
      import { wasm } from './src/index.ts';
      const backend = await wasm({ threads: ${threads} });
      const t = backend.upload([1, 2]);
      const sum = await backend.read(backend.add(t, t));
      await new Promise((resolve) => setTimeout(resolve, 100));
      const before = process.cpuUsage();
      await new Promise((resolve) => setTimeout(resolve, 500));
      const { user, system } = process.cpuUsage(before);
      console.log(JSON.stringify({ sum: [...sum], busy: (user + system) / 500_000 }));`;
      const resolveDir = new URL('..', import.meta.url).pathname;
      await build({
        stdin: { contents, resolveDir, loader: 'ts' },
        bundle: true,
        format: 'esm',
        platform: 'node',
        conditions: ['@mamba2/source'],
        outfile,
      });
      const { stdout } = await promisify(execFile)(process.execPath, [outfile], { timeout: 20_000 });
      const { sum, busy } = JSON.parse(stdout) as { sum: number[]; busy: number };
      expect(sum).toEqual([2, 4]);
      // One thread that spins would take all of a processor's time.
      expect(busy).toBeLessThan(0.3);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
