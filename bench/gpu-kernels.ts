/**
 * What each kernel of an SSD forward, or of softmax attention, takes by the device's own clock: `pnpm bench gpu-kernels [--dawn FLAG] [--precision f16]
 * [l,h[,n] | attention,l,h …]`. Medians of 20 calls, b = 1, p = 64, g = 1. Each dispatch runs in a pass of its own, which adds some µs and forbids overlap: compare kernels with each other, and
 * take the whole from `gpu-ssd` and `gpu-attention`, which also check what is computed.
 */
import { parseArgs } from 'node:util';
import { type GpuTensor, webgpu } from '@mamba2/ssd-gpu';
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
/** The operands of a call, and the call. */
function ssd(l: number, h: number, n: number) {
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
  return { operands: [x, dt, B, C, A], run: () => backend.ssd(x, dt, B, C, { A }) };
}

function attention(l: number, h: number) {
  const [q, k, v] = [1, 0.9, 0.8].map((scale) => backend.upload(noise(l * h * P, scale), [1, l, h, P])) as Three;
  return { operands: [q, k, v], run: () => backend.attention(q, k, v) };
}

type Three = [GpuTensor, GpuTensor, GpuTensor];

for (const shape of positionals.length > 0 ? positionals : ['2048,24', '2048,80']) {
  const attends = shape.startsWith('attention,');
  const [l = 0, h = 0, n = 128] = shape.replace('attention,', '').split(',').map(Number);
  const { operands, run } = attends ? attention(l, h) : ssd(l, h, n);
  const taken = new Map<string, number[]>();
  for (let round = -2; round < ROUNDS; round++) {
    const y = run();
    await backend.read(y);
    backend.free(y);
    const calls = await times();
    if (round >= 0) for (const { kernel, micros } of calls) taken.set(kernel, [...(taken.get(kernel) ?? []), micros]);
  }
  backend.free(...operands);
  const rows = [...taken].map(([kernel, all]) => ({
    l,
    h,
    ...(!attends && { n }),
    kernel,
    ...summary(all),
    calls: all.length / ROUNDS,
  }));
  console.table(rows);
}
backend.dispose();
