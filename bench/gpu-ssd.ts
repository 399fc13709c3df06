/**
 * SSD forward on the GPU, b = 1, p = 64, g = 1, n = 128 unless given: `npx tsx --conditions=@mamba2/source bench/gpu-ssd.ts [--dawn FLAG] [--variants NAME]
 * [--precision f16] [--json] [l,h[,n] …]`. Two heads of every shape are checked against core's chunked form in float64 before anything is timed.
 */
import { type Backend, hostTensor, slice, ssdChunked, type Tensor } from '@mamba2/core';
import { deviceTime, noise, relativeError } from './gpu/measure.js';
import { benchOptions, report } from './gpu/options.js';

const [P, Q] = [64, 128];

/** Multiply-adds of the chunked form, twice: C Bᵀ once per chunk, and for each head the three products. */
const flops = (l: number, h: number, N: number) => 2 * l * (Q * N + h * (Q * P + 2 * P * N));
/** Bytes that must come and go: x, y, B, C, dt. */
const bytes = (l: number, h: number, N: number) => 4 * l * (2 * h * P + 2 * N + h);

function problem(l: number, h: number, N: number) {
  const numbers = {
    x: noise(l * h * P),
    dt: noise(l * h, 0.05).map((v) => Math.abs(v) + 1e-3),
    B: noise(l * N),
    C: noise(l * N),
  };
  const A = noise(h).map((v) => -1 - Math.abs(v));
  return {
    x: hostTensor(numbers.x, [1, l, h, P]),
    dt: hostTensor(numbers.dt, [1, l, h]),
    B: hostTensor(numbers.B, [1, l, 1, N]),
    C: hostTensor(numbers.C, [1, l, 1, N]),
    A: hostTensor(A, [h]),
  };
}

async function check(backend: Backend, given: ReturnType<typeof problem>, y: Tensor): Promise<number> {
  const two = (t: Tensor, axis: number) => slice(t, axis, 0, 2) as typeof given.x;
  const want = ssdChunked({ ...given, x: two(given.x, 2), dt: two(given.dt, 2), A: two(given.A, 0) }).y.data;
  const error = relativeError(await backend.read(slice(y, 2, 0, 2)), want);
  if (!(error <= TOLERANCE)) throw new Error(`SSD is off by ${error}, more than ${TOLERANCE}: nothing to time`);
  return error;
}

const options = await benchOptions();
const { backend } = options;
/** f32 throughout, or factors rounded to f16. */
const TOLERANCE = options.precision === 'f16' ? 5e-3 : 1e-5;
const shapes =
  options.positionals.length > 0
    ? options.positionals
    : ['2048,24', '8192,24', '32768,24', '2048,80', '8192,80', '32768,80'];
const rows: Record<string, string | number>[] = [];
for (const shape of shapes) {
  const [l = 0, h = 0, n = 128] = shape.split(',').map(Number);
  const given = problem(l, h, n);
  const [x, dt, B, C, A] = [given.x, given.dt, given.B, given.C, given.A].map((t) =>
    backend.upload(t.data, t.shape),
  ) as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const y = backend.ssd(x, dt, B, C, { A });
  const error = await check(backend, given, y);
  backend.free(y);
  const { micros, spread } = await deviceTime(backend, () => backend.ssd(x, dt, B, C, { A }));
  backend.free(x, dt, B, C, A);
  rows.push({
    l,
    h,
    n,
    micros: Number(micros.toFixed(1)),
    spread: Number(spread.toFixed(2)),
    'TFLOP/s': Number((flops(l, h, n) / micros / 1e6).toPrecision(3)),
    'TB/s': Number((bytes(l, h, n) / micros / 1e6).toPrecision(3)),
    error: Number(error.toExponential(1)),
  });
}
report(options, rows);
backend.dispose();
