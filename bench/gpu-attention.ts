/**
 * Softmax attention and the quadratic form of the state-space dual on the GPU: `npx tsx --conditions=@mamba2/source bench/gpu-attention.ts [--dawn FLAG]
 * [--precision f16] [--json] [--out FILE] [prefill,l | decode,held | quadratic,l …]`, 64 heads of 64 (n = 64). Heads and lengths of all kinds are checked against float64
 * first, then every timed shape in a few of its rows; rows are printed as they are measured.
 */
import { type Backend, type KeyValueCache, slice, type Tensor } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { ssdQuadratic } from '@mamba2/ssd-gpu';
import { deviceTime, noise, relativeError } from './gpu/measure.js';
import { benchOptions, note, report } from './gpu/options.js';

const [H, P, N] = [64, 64, 64];
const options = await benchOptions();
const { backend, gpu } = options;
const f16 = options.precision === 'f16';

/** A call over a cache that holds `held` positions, or over none. */
interface Call {
  readonly l: number;
  readonly held: number;
  readonly h: number;
  readonly g: number;
  readonly p: number;
  /** Size of queries and keys: 1, or more for scores that vary much. */
  readonly size: number;
}

function attend(on: Backend, { l, held, h, g, p, size }: Call) {
  const capacity = held + l + 5;
  const past = (seed: number, scale: number) => noise((seed + held) * g * p, scale).subarray(0, held * g * p);
  const filled = (numbers: Float32Array) => {
    const all = new Float32Array(capacity * g * p);
    all.set(numbers);
    return on.upload(all, [1, capacity, g, p]);
  };
  const cache: KeyValueCache | undefined =
    held > 0
      ? { keys: filled(past(1, size)), values: filled(past(2, 1)), length: on.upload(Int32Array.of(held)) }
      : undefined;
  const q = on.upload(noise(l * h * p, size), [1, l, h, p]);
  const k = on.upload(noise(l * g * p + 1, size).subarray(1), [1, l, g, p]);
  const v = on.upload(noise(l * g * p + 2).subarray(2), [1, l, g, p]);
  const tensors = [q, k, v, ...(cache ? Object.values(cache) : [])];
  return { q, k, v, cache, tensors };
}

/** Relative error of a small call. */
async function checkWhole(call: Call): Promise<number> {
  const exact = reference() as Backend;
  const run = async (on: Backend) => {
    const { q, k, v, cache, tensors } = attend(on, call);
    const y = on.attention(q, k, v, cache);
    const numbers = await on.read(y);
    on.free(y, ...tensors);
    return numbers;
  };
  return relativeError(await run(backend), await run(exact));
}

/** y of some rows of two heads of a long call, row by row in float64. */
function attentionRow(q: Float32Array, k: Float32Array, v: Float32Array, t: number, head: number): Float64Array {
  const at = (s: number) => (s * H + head) * P;
  const scores = Float64Array.from({ length: t + 1 }, (_, s) => {
    let sum = 0;
    for (let e = 0; e < P; e++) sum += q[at(t) + e]! * k[at(s) + e]!;
    return sum / Math.sqrt(P);
  });
  const most = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - most));
  const total = weights.reduce((a, b) => a + b);
  return Float64Array.from(
    { length: P },
    (_, e) => weights.reduce((sum, weight, s) => sum + weight * v[at(s) + e]!, 0) / total,
  );
}

const tolerance = f16 ? 3e-3 : 1e-5;
const small: Call[] = [
  { l: 65, held: 0, h: 2, g: 1, p: 48, size: 1 },
  { l: 140, held: 0, h: 1, g: 1, p: 20, size: 1 },
  { l: 100, held: 57, h: 4, g: 2, p: 32, size: 1 },
  { l: 200, held: 300, h: 4, g: 2, p: 64, size: 2 },
  { l: 130, held: 3, h: 2, g: 1, p: 128, size: 1 },
  { l: 70, held: 0, h: 2, g: 1, p: 100, size: 1 },
  { l: 3, held: 600, h: 4, g: 2, p: 64, size: 2 },
  { l: 1, held: 256, h: 2, g: 2, p: 30, size: 2 },
];
const say = (row: object) => console.error(JSON.stringify(row));
for (const call of small) {
  const error = await checkWhole(call);
  say({ ...call, error: Number(error.toExponential(1)) });
  if (!(error <= tolerance)) throw new Error(`attention is off by ${error}, more than ${tolerance}: nothing to time`);
}
// Scores of some hundreds: every tile may hold a largest one yet, and sums are scaled down again and again. A factor's rounding is then worth so much more.
const peaked = await checkWhole({ l: 500, held: 0, h: 2, g: 1, p: 64, size: 6 });
say({ peaked: Number(peaked.toExponential(1)) });
if (!(peaked <= (f16 ? 0.1 : 1e-4))) throw new Error(`attention with large scores is off by ${peaked}`);

const rows: Record<string, string | number>[] = [];
const wanted =
  options.positionals.length > 0
    ? options.positionals
    : [
        ...[512, 2048, 4096, 8192].map((l) => `prefill,${l}`),
        ...[4096, 32768].map((held) => `decode,${held}`),
        ...[512, 2048, 4096].map((l) => `quadratic,${l}`),
      ];

async function prefill(l: number) {
  const numbers = [noise(l * H * P), noise(l * H * P + 1).subarray(1), noise(l * H * P + 2).subarray(2)] as const;
  const [q, k, v] = numbers.map((values) => backend.upload(values, [1, l, H, P])) as [Tensor, Tensor, Tensor];
  const y = backend.attention(q, k, v);
  let error = 0;
  for (const head of [0, H - 1]) {
    for (const t of [0, 1, 63, 64, l >> 1, l - 2, l - 1]) {
      const got = await backend.read(slice(slice(y, 1, t, t + 1), 2, head, head + 1));
      error = Math.max(error, relativeError(got, attentionRow(...numbers, t, head)));
    }
  }
  backend.free(y);
  const flops = 2 * l * l * H * P;
  return { error, flops, run: () => backend.attention(q, k, v), free: [q, k, v] };
}

async function decode(held: number) {
  const { q, k, v, cache, tensors } = attend(backend, { l: 1, held, h: H, g: H, p: P, size: 1 });
  const start = backend.upload(Int32Array.of(held));
  const error = await checkWhole({ l: 1, held: 1000, h: H, g: H, p: P, size: 1 });
  const run = () => {
    // Time and again from where it stood.
    backend.copy(start, cache!.length);
    return backend.attention(q, k, v, cache);
  };
  return { error, flops: 4 * held * H * P, run, free: [start, ...tensors] };
}

async function quadratic(l: number) {
  const x = gpu.upload(noise(l * H * P), [1, l, H, P]);
  const dt = gpu.upload(
    noise(l * H, 0.05).map((value) => Math.abs(value) + 1e-3),
    [1, l, H],
  );
  const B = gpu.upload(noise(l * N), [1, l, 1, N]);
  const C = gpu.upload(noise(l * N, 0.9), [1, l, 1, N]);
  const A = gpu.upload(noise(H).map((value) => -1 - Math.abs(value)));
  const run = () => ssdQuadratic(gpu, x, dt, B, C, { A });
  const y = run();
  const exact = reference() as Backend;
  const begin = async (t: Tensor, heads?: number) => {
    const piece = heads === undefined ? t : slice(t, heads, 0, 2);
    const cut = piece.shape.length > 1 ? slice(piece, 1, 0, Math.min(600, l)) : piece;
    return exact.upload(await backend.read(cut), cut.shape);
  };
  const want = exact.ssd(await begin(x, 2), await begin(dt, 2), await begin(B), await begin(C), {
    A: await begin(A, 0),
  });
  const error = relativeError(
    await backend.read(slice(slice(y, 1, 0, Math.min(600, l)), 2, 0, 2)),
    await exact.read(want),
  );
  backend.free(y);
  return { error, flops: l * l * H * (N + P), run, free: [x, dt, B, C, A] };
}

const kinds = { prefill, decode, quadratic };
for (const one of wanted) {
  const [kind = '', length = ''] = one.split(',');
  const size = Number(length);
  const { error, flops, run, free } = await kinds[kind as keyof typeof kinds](size);
  const most = kind === 'quadratic' ? 1e-5 : tolerance;
  if (!(error <= most)) throw new Error(`${one} is off by ${error}, more than ${most}: nothing to time`);
  const repeats = Math.max(1, Math.min(10, Math.round(1e11 / flops)));
  const { micros, spread } = await deviceTime(gpu, run, { repeats, runs: 3, estimates: 3 });
  backend.free(...free);
  const row = {
    kind,
    size,
    micros: Number(micros.toFixed(1)),
    spread: Number(spread.toFixed(2)),
    'TFLOP/s': Number((flops / micros / 1e6).toPrecision(3)),
    error: Number(error.toExponential(1)),
  };
  rows.push(row);
  note(options, rows);
}
report(options, rows);
backend.dispose();
