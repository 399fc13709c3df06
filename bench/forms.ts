/**
 * The forms of one product against each other, as length, state size and chunk length grow:
 * `npx tsx --conditions=@mamba2/source bench/forms.ts [--rounds 15] [--json FILE] [--quick]`.
 * All contenders of a size must agree before any is timed. A round runs each once, in turn; a time is the best of all rounds, so that a busy
 * machine disturbs it least. Where two lines of a sweep cross, the crossing is interpolated between its neighbours on logarithmic axes.
 */

import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';

import {
  attentionMatrix,
  costs,
  hostTensor,
  multiplicationCosts,
  multiplyChunked,
  multiplyDivided,
  multiplyQuadratic,
  multiplyRecurrent,
  softmaxAttention,
  softmaxMatrix,
  ssdChunked,
  ssdQuadratic,
  ssdRecurrent,
  uniform,
} from '@mamba2/core';
import { convolve, ltiConvolution, ltiKernel, ltiRecurrent } from '@mamba2/core/lti';

/** One way to compute a product, and how many multiply-adds the cost model gives it, where it does. */
interface Contender {
  run: () => Float64Array;
  multiplyAdds?: number;
  /** what else it must agree with: contenders that compute another product than the first name their own truth */
  truth?: () => Float64Array;
}

/** One size of a sweep: `at` is its place on the axis. */
interface Point {
  at: number;
  contenders: Record<string, Contender>;
}

interface Sweep {
  name: string;
  axis: string;
  points: () => Generator<Point>;
}

/** What a sweep measured: times in milliseconds by contender, in the order of `at`. */
interface Measured {
  name: string;
  axis: string;
  at: number[];
  ms: Record<string, number[]>;
  multiplyAdds: Record<string, number[]>;
  crossings: { first: string; second: string; at: number }[];
}

const { values: options } = parseArgs({
  options: { rounds: { type: 'string' }, json: { type: 'string' }, quick: { type: 'boolean' } },
});
const quick = options.quick ?? false;
const rounds = Number(options.rounds ?? (quick ? 2 : 15));
if (!(Number.isInteger(rounds) && rounds > 0)) throw new Error(`--rounds ${options.rounds}: a whole number ≥ 1`);

/** Powers of two from 2^low to 2^high; --quick stops at 64. */
function* powers(low: number, high: number): Generator<number> {
  const last = quick ? Math.min(high, 6) : high;
  for (let e = low; e <= last; e++) yield 2 ** e;
}

function numbers(seed: number, shape: number[], low = -1, high = 1) {
  const size = shape.reduce((product, d) => product * d);
  return hostTensor(
    Float64Array.from({ length: size }, (_, i) => low + (high - low) * uniform(seed, 0, i)),
    shape,
  );
}

/** One head of Mamba-2 and softmax attention of the same sizes. */
function mixing(l: number, n: number, p: number, q: number): Record<string, Contender> {
  const input = {
    x: numbers(1, [1, l, 1, p]),
    dt: numbers(2, [1, l, 1], 0.001, 0.1),
    A: numbers(3, [1], -1, -0.5),
    B: numbers(4, [1, l, 1, n]),
    C: numbers(5, [1, l, 1, n]),
  };
  const head = { Q: numbers(6, [l, n]), K: numbers(7, [l, n]), V: numbers(8, [l, p]) };
  const size = { l, n, p, q };
  return {
    recurrent: { run: () => ssdRecurrent(input).y.data, multiplyAdds: costs('ssm', size).multiplyAdds },
    quadratic: {
      run: () => ssdQuadratic(input).y.data,
      truth: () => product(attentionMatrix(input).data, input.x.data, l, p),
      multiplyAdds: costs('quadratic', size).multiplyAdds,
    },
    chunked: { run: () => ssdChunked(input, { chunkLength: q }).y.data, multiplyAdds: costs('ssd', size).multiplyAdds },
    softmax: {
      run: () => softmaxAttention(head).data,
      truth: () => product(softmaxMatrix(head).data, head.V.data, l, p),
      multiplyAdds: costs('attention', size).multiplyAdds,
    },
  };
}

/** A semiseparable matrix with diagonal maps: Mamba-1's kind. */
function semiseparable(l: number, n: number, p: number, q: number): Record<string, Contender> {
  const M = { A: numbers(1, [l, n], 0.5, 1), B: numbers(2, [l, n]), C: numbers(3, [l, n]) };
  const X = numbers(4, [l, p]);
  const cost = (form: Parameters<typeof multiplicationCosts>[0]) =>
    multiplicationCosts(form, { l, n, p, q }).multiplyAdds;
  return {
    recurrent: { run: () => multiplyRecurrent(M, X).data, multiplyAdds: cost('recurrent') },
    quadratic: { run: () => multiplyQuadratic(M, X).data, multiplyAdds: cost('quadratic') },
    chunked: { run: () => multiplyChunked(M, X, { chunkLength: q }).data, multiplyAdds: cost('chunked') },
    divided: { run: () => multiplyDivided(M, X).data, multiplyAdds: cost('divided') },
  };
}

/** A time-invariant diagonal model, with its kernel computed anew or known. */
function invariant(l: number, n: number): Record<string, Contender> {
  const model = { A: numbers(1, [n], 0.9, 0.999), B: numbers(2, [n]), C: numbers(3, [n]) };
  const x = numbers(4, [l]);
  const kernel = ltiKernel(model, l);
  return {
    recurrent: { run: () => ltiRecurrent(model, x).data },
    'kernel and convolution': { run: () => ltiConvolution(model, x).data },
    convolution: { run: () => convolve(kernel, x).data },
  };
}

const sweeps: Sweep[] = [
  {
    name: 'one head, n = p = 64, q = 32',
    axis: 'l',
    *points() {
      for (const l of powers(3, 11)) yield { at: l, contenders: mixing(l, 64, 64, 32) };
    },
  },
  {
    name: 'one head, l = 512, p = 64, q = 32',
    axis: 'n',
    *points() {
      for (const n of powers(0, 8)) yield { at: n, contenders: mixing(quick ? 64 : 512, n, 64, 32) };
    },
  },
  {
    name: 'chunk length, l = 1024, n = p = 64',
    axis: 'q',
    *points() {
      for (const q of powers(0, 10)) {
        const { recurrent, chunked } = mixing(quick ? 64 : 1024, 64, 64, q);
        yield { at: q, contenders: { recurrent: recurrent!, chunked: chunked! } };
      }
    },
  },
  {
    name: 'semiseparable, diagonal maps, n = 16, p = 1, q = 16',
    axis: 'l',
    *points() {
      for (const l of powers(2, 11)) yield { at: l, contenders: semiseparable(l, 16, 1, 16) };
    },
  },
  {
    name: 'time-invariant, diagonal, n = 16',
    axis: 'l',
    *points() {
      for (const l of powers(4, 16)) yield { at: l, contenders: invariant(l, 16) };
    },
  },
  {
    name: 'time-invariant, diagonal, l = 4096',
    axis: 'n',
    *points() {
      for (const n of powers(0, 8)) yield { at: n, contenders: invariant(quick ? 64 : 4096, n) };
    },
  },
];

console.log(`${cpus()[0]?.model ?? 'unknown processor'}, one thread, Node ${process.version}`);
console.log(`best of ${rounds} rounds, load ${loadavg()[0]!.toFixed(1)}\n`);
const results = sweeps.map(measure);
if (options.json) {
  const machine = { processor: cpus()[0]?.model, node: process.version, rounds };
  writeFileSync(options.json, `${JSON.stringify({ machine, sweeps: results }, null, 1)}\n`);
}

function measure({ name, axis, points }: Sweep): Measured {
  const all = [...points()];
  for (const { at, contenders } of all) expectAgreement(`${name}, ${axis} = ${at}`, contenders);
  const at = all.map((point) => point.at);
  const multiplyAdds: Record<string, number[]> = {};
  for (const { contenders } of all)
    for (const [contender, { multiplyAdds: count }] of Object.entries(contenders))
      if (count !== undefined) (multiplyAdds[contender] ??= []).push(count);
  const ms = bestTimes(all.map(({ contenders }) => contenders));
  const measured = { name, axis, at, ms, multiplyAdds, crossings: crossings(at, ms) };
  print(measured);
  return measured;
}

/**
 * Milliseconds of one run by contender and point, the best of all rounds. A round goes through all points, so that a slow minute of the machine
 * falls on all of them; a short run is repeated within its turn.
 */
function bestTimes(points: Record<string, Contender>[]): Record<string, number[]> {
  const ms: Record<string, number[]> = {};
  for (const name of Object.keys(points[0]!)) ms[name] = points.map(() => Infinity);
  const time = (run: () => Float64Array, repeats: number): number => {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) run();
    return (performance.now() - start) / repeats;
  };
  for (let round = 0; round < rounds; round++) {
    for (const [i, contenders] of points.entries()) {
      for (const [name, { run }] of Object.entries(contenders)) {
        const repeats = Math.max(1, Math.round((quick ? 0.1 : 2) / Math.min(ms[name]![i]!, time(run, 1))));
        ms[name]![i] = Math.min(ms[name]![i]!, time(run, repeats));
      }
    }
  }
  return ms;
}

/** @throws Error when contenders differ by more than rounding in float64 explains. */
function expectAgreement(what: string, contenders: Record<string, Contender>): void {
  const first = Object.values(contenders)[0]!.run();
  for (const [name, { run, truth }] of Object.entries(contenders)) {
    const actual = run();
    const wanted = truth?.() ?? first;
    const scale = wanted.reduce((max, v) => Math.max(max, Math.abs(v)), Number.MIN_VALUE);
    const error = actual.reduce((max, v, i) => Math.max(max, Math.abs(v - wanted[i]!)), 0) / scale;
    if (!(actual.length === wanted.length && error < 1e-10)) throw new Error(`${what}: ${name} is off by ${error}`);
  }
}

/** M X of a dense M (l, l). */
function product(M: Float64Array, X: ArrayLike<number>, l: number, p: number): Float64Array {
  const Y = new Float64Array(l * p);
  for (let j = 0; j < l; j++)
    for (let i = 0; i <= j; i++) for (let e = 0; e < p; e++) Y[j * p + e]! += M[j * l + i]! * X[i * p + e]!;
  return Y;
}

/** Where one contender passes another, for every pair that changes its order; a lead of less than 5% is none. */
function crossings(at: number[], ms: Record<string, number[]>): Measured['crossings'] {
  const found: Measured['crossings'] = [];
  const names = Object.keys(ms);
  for (const [k, first] of names.entries()) {
    for (const second of names.slice(k + 1)) {
      const leads = at
        .map((place, i) => ({ place, lead: Math.log(ms[first]![i]! / ms[second]![i]!) }))
        .filter(({ lead }) => Math.abs(lead) > Math.log(1.05));
      for (const [i, after] of leads.entries()) {
        const before = leads[i - 1];
        if (!before || before.lead < 0 === after.lead < 0) continue;
        const part = before.lead / (before.lead - after.lead);
        found.push({ first, second, at: Math.round(before.place * (after.place / before.place) ** part) });
      }
    }
  }
  return found;
}

function print({ name, axis, at, ms, multiplyAdds, crossings: found }: Measured): void {
  const names = Object.keys(ms);
  console.log(name);
  console.log([axis.padStart(8), ...names.map((contender) => contender.padStart(24))].join(''));
  at.forEach((place, i) => {
    const cells = names.map((contender) => {
      const rate =
        multiplyAdds[contender] && ` (${(multiplyAdds[contender][i]! / ms[contender]![i]! / 1e6).toFixed(2)} G/s)`;
      return `${ms[contender]![i]!.toPrecision(3)} ms${rate ?? ''}`.padStart(24);
    });
    console.log([String(place).padStart(8), ...cells].join(''));
  });
  for (const { first, second, at: place } of found) console.log(`  ${first} and ${second} cross at ${axis} = ${place}`);
  console.log();
}
