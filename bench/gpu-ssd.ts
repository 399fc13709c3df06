/**
 * SSD forward on the GPU, b = 1, p = 64, g = 1, n = 128 unless given, and the selective scan: `npx tsx --conditions=@mamba2/source bench/gpu-ssd.ts
 * [--dawn FLAG] [--variants NAME] [--precision f16] [--json] [--out FILE] [l,h[,n] | scan,l,d,n …]`. Before anything is timed, two heads (channels) of every
 * shape are held against float64 on their first positions and on their last ones. Every row is printed, and saved, as soon as it is known.
 */
import { type Backend, type HostTensor, hostTensor, slice, type Tensor } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { deviceTime, noise, relativeError } from './gpu/measure.js';
import { benchOptions, note, report } from './gpu/options.js';

const [P, Q] = [64, 128];

/** First positions that are checked; last ones, and how many before them the check begins: what came earlier has decayed by e⁻²⁰ and more. */
const [HEAD, TAIL, LEAD] = [400, 300, 1200];

/** One shape: operands, axes that the check cuts to two, the operation, and what it must compute and move. */
interface Problem {
  readonly name: Readonly<Record<string, string | number>>;
  readonly operands: readonly HostTensor[];
  /** The axis of heads or channels of each operand, of the result last; −1 where it has none. */
  readonly heads: readonly number[];
  run(backend: Backend, operands: readonly Tensor[]): Tensor;
  readonly flops: number;
  readonly bytes: number;
}

/** Numbers that repeat after four million of them. */
function numbers(size: number, scale = 1): Float32Array {
  const period = noise(Math.min(size, 2 ** 22 - 3), scale);
  const all = new Float32Array(size);
  for (let i = 0; i < size; i += period.length) all.set(period.subarray(0, size - i), i);
  return all;
}

const stepSizes = (size: number) => numbers(size, 0.05).map((v) => Math.abs(v) + 1e-3);
const decays = (size: number) => numbers(size).map((v) => -1 - Math.abs(v));

function ssd(l: number, h: number, n: number): Problem {
  return {
    name: { l, h, n },
    operands: [
      hostTensor(numbers(l * h * P), [1, l, h, P]),
      hostTensor(stepSizes(l * h), [1, l, h]),
      hostTensor(numbers(l * n), [1, l, 1, n]),
      hostTensor(numbers(l * n, 0.9), [1, l, 1, n]),
      hostTensor(decays(h), [h]),
    ],
    heads: [2, 2, -1, -1, 0, 2],
    run: (backend, [x, dt, B, C, A]) => backend.ssd(x!, dt!, B!, C!, { A: A! }),
    // Multiply-adds of the chunked form, twice: C Bᵀ once per chunk, and for each head the three products.
    flops: 2 * l * (Q * n + h * (Q * P + 2 * P * n)),
    bytes: 4 * l * (2 * h * P + 2 * n + h),
  };
}

function scan(l: number, d: number, n: number): Problem {
  return {
    name: { operation: 'scan', l, d, n },
    operands: [
      hostTensor(numbers(l * d), [1, l, d]),
      hostTensor(stepSizes(l * d), [1, l, d]),
      hostTensor(numbers(l * n), [1, l, n]),
      hostTensor(numbers(l * n, 0.9), [1, l, n]),
      hostTensor(decays(d * n), [d, n]),
    ],
    heads: [2, 2, -1, -1, 0, 2],
    run: (backend, [u, dt, B, C, A]) => backend.selectiveScan(u!, dt!, B!, C!, { A: A! }),
    flops: 2 * l * d * n * 3,
    bytes: 4 * l * (3 * d + 2 * n),
  };
}

/** Relative error of the first and of the last positions of two heads. */
async function check(backend: Backend, { operands, heads, run }: Problem, y: Tensor): Promise<number> {
  const exact = reference() as Backend;
  const l = operands[0]!.shape[1]!;
  const errors: number[] = [];
  for (const [from, kept, to] of [
    [0, 0, Math.min(l, HEAD)],
    [Math.max(0, l - TAIL - LEAD), Math.max(0, l - TAIL), l],
  ] as const) {
    const two = <T extends Tensor>(t: T, i: number, first: number): T => {
      const few = heads[i]! < 0 ? t : slice(t, heads[i]!, 0, 2);
      return (few.shape.length > 2 ? slice(few, 1, first, to) : few) as T;
    };
    const cut = operands.map((t, i) => {
      const part = two(t, i, from);
      return exact.upload(Float64Array.from(hostNumbers(part)), part.shape);
    });
    const want = await exact.read(slice(run(exact, cut), 1, kept - from, to - from));
    errors.push(relativeError(await backend.read(two(y, operands.length, kept)), want));
  }
  const error = Math.max(...errors);
  if (!(error <= TOLERANCE)) throw new Error(`off by ${error}, more than ${TOLERANCE}: nothing to time`);
  return error;
}

/** A view's numbers in order. */
function* hostNumbers(t: HostTensor, at = t.offset, axis = 0): Generator<number> {
  if (axis === t.shape.length) yield t.data[at]!;
  else for (let i = 0; i < t.shape[axis]!; i++) yield* hostNumbers(t, at + i * t.strides[axis]!, axis + 1);
}

const options = await benchOptions();
const { backend, gpu } = options;
/** f32 throughout, or factors rounded to f16. */
const TOLERANCE = options.precision === 'f16' ? 2e-3 : 1e-5;
const shapes =
  options.positionals.length > 0
    ? options.positionals
    : ['2048,24', '8192,24', '32768,24', '2048,80', '8192,80', '32768,80', '4096,64,16', '4096,64,256'];
const rows: Record<string, string | number>[] = [];
for (const shape of shapes) {
  const [first, ...rest] = shape.split(',');
  const [a = 0, b = 0, n = 128] = (first === 'scan' ? rest : [first, ...rest]).map(Number);
  const problem = first === 'scan' ? scan(a, b, n) : ssd(a, b, n);
  const operands = problem.operands.map((t) => backend.upload(t.data, t.shape));
  const run = () => problem.run(backend, operands);
  const y = run();
  const error = await check(backend, problem, y);
  backend.free(y);
  // Short ones oftener: the host's clock must see some milliseconds.
  const repeats = Math.round(Math.min(100, Math.max(5, 3e8 / problem.bytes)));
  const { micros, spread } = await deviceTime(gpu, run, { repeats });
  backend.free(...operands);
  rows.push({
    ...problem.name,
    micros: Number(micros.toFixed(1)),
    spread: Number(spread.toFixed(2)),
    'TFLOP/s': Number((problem.flops / micros / 1e6).toPrecision(3)),
    'TB/s': Number((problem.bytes / micros / 1e6).toPrecision(3)),
    error: Number(error.toExponential(1)),
  });
  note(options, rows);
}
report(options, rows);
backend.dispose();
