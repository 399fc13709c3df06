/**
 * The paper's Figure 10 on the GPU (arXiv 2405.21060): the SSD forward against Mamba-1's selective scan and causal softmax attention, all of d_inner 4096
 * (64 heads of 64), over the length at n = 64 and over the state size at l = 4096; besides, the quadratic form of what SSD computes. `npx tsx
 * --conditions=@mamba2/source bench/gpu-figure10.ts [--dawn FLAG] [--precision f16] [--json] [--out FILE] [operation,l,n …]`. Each is checked against core's
 * float64 on its first channels and positions before it is timed.
 */
import { type Backend, slice, type Tensor } from '@mamba2/core';
import { reference } from '@mamba2/core/reference';
import { type GpuTensor, ssdQuadratic } from '@mamba2/ssd-gpu';
import { deviceTime, noise, relativeError } from './gpu/measure.js';
import { benchOptions, note, report } from './gpu/options.js';

const [D, P] = [4096, 64];
const H = D / P;
/** Positions and heads that are checked. */
const [CHECKED, HEADS] = [600, 2];

const options = await benchOptions();
const { backend, gpu } = options;
const tolerance = options.precision === 'f16' ? 5e-3 : 1e-5;

/** An operation over l positions and states of n: made of d channels on a backend, and its multiply-adds and exponentials, twice. */
interface Operation {
  run(backend: Backend, l: number, n: number): { operands: Tensor[]; run: (operands: Tensor[]) => Tensor };
  /** Its operands cut to the positions and heads that are checked. */
  cut(operands: Tensor[], l: number): Tensor[];
  flops(l: number, n: number): number;
}

const steps = (size: number) => noise(size, 0.05).map((v) => Math.abs(v) + 1e-3);
const decays = (size: number) => noise(size).map((v) => -1 - Math.abs(v));
const begin = (t: Tensor, axis: number, end: number) => slice(t, axis, 0, Math.min(end, t.shape[axis]!));

const ssd: Operation = {
  run: (backend, l, n) => ({
    operands: [
      backend.upload(noise(l * D), [1, l, H, P]),
      backend.upload(steps(l * H), [1, l, H]),
      backend.upload(noise(l * n), [1, l, 1, n]),
      backend.upload(noise(l * n, 0.9), [1, l, 1, n]),
      backend.upload(decays(H)),
    ],
    run: ([x, dt, B, C, A]) => backend.ssd(x!, dt!, B!, C!, { A: A! }),
  }),
  cut: ([x, dt, B, C, A]) => [
    begin(begin(x!, 1, CHECKED), 2, HEADS),
    begin(begin(dt!, 1, CHECKED), 2, HEADS),
    begin(B!, 1, CHECKED),
    begin(C!, 1, CHECKED),
    begin(A!, 0, HEADS),
  ],
  flops: (l, n) => 2 * l * (128 * n + H * (128 * P + 2 * P * n)),
};

const operations: Record<string, Operation> = {
  ssd,
  quadratic: {
    ...ssd,
    run: (on, l, n) => {
      const { operands, run } = ssd.run(on, l, n);
      // The reference computes the same by its recurrence.
      if (on !== backend) return { operands, run };
      return {
        operands,
        run: (given) => {
          const [x, dt, B, C, A] = given as GpuTensor[];
          return ssdQuadratic(gpu, x!, dt!, B!, C!, { A: A! });
        },
      };
    },
    flops: (l, n) => l * l * H * (n + P),
  },
  scan: {
    run: (backend, l, n) => ({
      operands: [
        backend.upload(noise(l * D), [1, l, D]),
        backend.upload(steps(l * D), [1, l, D]),
        backend.upload(noise(l * n), [1, l, n]),
        backend.upload(noise(l * n, 0.9), [1, l, n]),
        backend.upload(decays(D * n), [D, n]),
      ],
      run: ([u, dt, B, C, A]) => backend.selectiveScan(u!, dt!, B!, C!, { A: A! }),
    }),
    cut: ([u, dt, B, C, A]) => [
      begin(begin(u!, 1, CHECKED), 2, HEADS),
      begin(begin(dt!, 1, CHECKED), 2, HEADS),
      begin(B!, 1, CHECKED),
      begin(C!, 1, CHECKED),
      begin(A!, 0, HEADS),
    ],
    flops: (l, n) => 2 * l * D * n * 3,
  },
  attention: {
    run: (backend, l) => ({
      operands: [1, 0.9, 0.8].map((scale) => backend.upload(noise(l * D, scale), [1, l, H, P])),
      run: ([q, k, v]) => backend.attention(q!, k!, v!),
    }),
    cut: (operands) => operands.map((t) => begin(begin(t, 1, CHECKED), 2, HEADS)),
    flops: (l) => 2 * l * l * D,
  },
};

/** Relative error of the first positions and heads against the reference, which computes only those: all are causal and their heads independent. */
async function check(name: string, operands: Tensor[], y: Tensor, l: number, n: number): Promise<number> {
  const got = await backend.read(begin(begin(y, 1, CHECKED), 2, HEADS));
  const exact = reference() as Backend;
  const pieces = await Promise.all(
    operations[name]!.cut(operands, l).map(async (t) => exact.upload(await backend.read(t), t.shape)),
  );
  const error = relativeError(got, await exact.read(operations[name]!.run(exact, 1, n).run(pieces)));
  if (!(error <= tolerance)) throw new Error(`${name} is off by ${error}, more than ${tolerance}: nothing to time`);
  return error;
}

const lengths = [512, 1024, 2048, 4096, 8192];
const states = [16, 32, 64, 128, 256];
const wanted =
  options.positionals.length > 0
    ? options.positionals
    : [
        ...lengths.flatMap((l) => ['ssd', 'scan', 'attention', 'quadratic'].map((name) => `${name},${l},64`)),
        ...states.filter((n) => n !== 64).flatMap((n) => ['ssd', 'scan'].map((name) => `${name},4096,${n}`)),
      ];
const rows: Record<string, string | number>[] = [];
for (const one of wanted) {
  const [name = '', length = '', state = ''] = one.split(',');
  const [l, n] = [Number(length), Number(state)];
  const { operands, run } = operations[name]!.run(backend, l, n);
  const y = run(operands);
  const error = await check(name, operands, y, l, n);
  backend.free(y);
  const flops = operations[name]!.flops(l, n);
  // As many repeats as take some tens of milliseconds.
  const repeats = Math.max(1, Math.min(10, Math.round(2e11 / flops)));
  const { micros, spread } = await deviceTime(gpu, () => run(operands), { repeats, runs: 3, estimates: 3 });
  backend.free(...operands);
  rows.push({
    operation: name,
    l,
    n,
    micros: Number(micros.toFixed(1)),
    spread: Number(spread.toFixed(2)),
    'TFLOP/s': Number((flops / micros / 1e6).toPrecision(3)),
    error: Number(error.toExponential(1)),
  });
  note(options, rows);
}
report(options, rows);
backend.dispose();
