/**
 * What each kernel of an SSD forward takes by the device's own clock: `pnpm bench gpu-kernels [--dawn FLAG] [--precision f16] [l,h[,n] …]`. Medians of 20
 * calls, b = 1, p = 64, g = 1. Each dispatch runs in a pass of its own, which adds some µs and forbids overlap: compare kernels with each other, and
 * take the whole from `gpu-ssd`, which also checks what is computed.
 */
import { parseArgs } from 'node:util';
import { webgpu } from '@mamba2/ssd-gpu';
import { create, globals } from 'webgpu';
import { timedAdapter } from './gpu/kernel-times.js';
import { noise, summary } from './gpu/measure.js';

const P = 64;
const ROUNDS = 20;
const { values, positionals } = parseArgs({
  options: { dawn: { type: 'string', multiple: true, default: [] }, precision: { type: 'string', default: 'f32' } },
  allowPositionals: true,
});

Object.assign(globalThis, globals);
const gpu = create(['disable-dawn-features=timestamp_quantization', ...values.dawn]);
const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
if (!adapter?.features.has('timestamp-query')) throw new Error('no GPU with timestamps');
const { adapter: timed, times } = timedAdapter(adapter);
const backend = await webgpu({ adapter: timed, precision: values.precision as 'f32' | 'f16' });

console.log(`${backend.describe().device}; ${values.precision}; Dawn: ${values.dawn.join(' ') || 'as it is'}`);
for (const shape of positionals.length > 0 ? positionals : ['2048,24', '2048,80']) {
  const [l = 0, h = 0, n = 128] = shape.split(',').map(Number);
  const x = backend.upload(noise(l * h * P), [1, l, h, P]);
  const dt = backend.upload(
    noise(l * h, 0.05).map((v) => Math.abs(v) + 1e-3),
    [1, l, h],
  );
  const B = backend.upload(noise(l * n), [1, l, 1, n]);
  const C = backend.upload(noise(l * n), [1, l, 1, n]);
  const A = backend.upload(
    noise(h).map((v) => -1 - Math.abs(v)),
    [h],
  );
  const taken = new Map<string, number[]>();
  for (let round = -2; round < ROUNDS; round++) {
    const y = backend.ssd(x, dt, B, C, { A });
    await backend.read(y);
    backend.free(y);
    const calls = await times();
    if (round >= 0) for (const { kernel, micros } of calls) taken.set(kernel, [...(taken.get(kernel) ?? []), micros]);
  }
  backend.free(x, dt, B, C, A);
  const rows = [...taken].map(([kernel, all]) => ({ l, h, n, kernel, ...summary(all), calls: all.length / ROUNDS }));
  console.table(rows);
}
backend.dispose();
