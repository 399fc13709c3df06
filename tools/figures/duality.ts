/** The figures of docs/duality.md, drawn from what the package computes. */

import {
  attentionMatrix,
  causalMask,
  decayMask,
  denseBlock,
  headGenerators,
  hostTensor,
  oneSemiseparable,
  slice,
  softmaxMatrix,
  toDense,
  uniform,
} from '@mamba2/core';
import {
  discretise,
  hippoNormalPart,
  legSProject,
  legSReconstruct,
  ltiKernel,
  ltiMatrix,
  ltiRecurrent,
  s4dEigenvalues,
  toeplitz,
  unrollSteps,
} from '@mamba2/core/lti';
import { numericalRank, semiseparableOrder, singularValues } from '@mamba2/core/ranks';
import { chart, circle, faint, heatmap, line, palette, picture, polyline, rect, text } from './svg.ts';

const [blue, orange, green, purple, red, grey] = palette;

/** Numbers in [low, high) that a seed determines. */
function numbers(seed: number, size: number, low = -1, high = 1): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => low + (high - low) * uniform(seed, 0, i));
}

const matrix = (seed: number, rows: number, columns: number) =>
  hostTensor(numbers(seed, rows * columns), [rows, columns]);

/** A lightly damped oscillation that both kernel and Toeplitz figures show. */
const oscillator = {
  A: [
    [-0.25, -2.5],
    [2.5, -0.25],
  ],
  B: [1, 0],
  C: [1, 0],
};

/** The three views of one time-invariant model. */
function views(): string {
  const l = 48;
  const model = discretise(oscillator, 0.25);
  const x = Float64Array.from({ length: l }, (_, t) => (t >= 6 && t < 14 ? 1 : t === 28 ? 3 : 0));
  const y = ltiRecurrent(model, x).data;
  const kernel = ltiKernel(model, l);
  const largest = Math.max(...y.map(Math.abs), ...x.map(Math.abs));
  const points = (values: Float64Array) => Array.from(values, (v, t) => [t, v] as const);
  const time = { from: 0, to: l - 1, ticks: [0, 16, 32, 47], label: 'step' };
  return picture(
    860,
    290,
    'A time-invariant model as recurrence, as convolution and as a Toeplitz matrix',
    chart(
      { x: 40, y: 40, width: 300, height: 190, title: 'recurrence: x in, y out', legend: [190, 14] },
      time,
      { from: -largest, to: largest, ticks: [0] },
      [
        { points: points(x), color: grey, name: 'x', dash: '3 2' },
        { points: points(y), color: blue, name: 'y' },
      ],
    ),
    chart(
      { x: 375, y: 40, width: 220, height: 190, title: 'convolution: the kernel K' },
      { from: 0, to: l - 1, ticks: [0, 16, 32, 47], label: 'steps ago' },
      { from: -0.3, to: 0.3, ticks: [0] },
      [{ points: points(kernel), color: orange }],
    ),
    text(735, 30, 'matrix: T, Toeplitz', { anchor: 'middle', bold: true }),
    heatmap(640, 40, 190, ltiMatrix(model, l)),
    text(735, 246, 'input step →', { anchor: 'middle', size: 11 }),
    text(632, 135, '← output step', { anchor: 'middle', size: 11, rotate: -90 }),
  );
}

/** A signal and what n Legendre coefficients remember of it. */
function memory(): string {
  const l = 600;
  const moments = Float64Array.from({ length: l }, (_, t) => (t + 0.5) / l);
  const signal = moments.map((u) => Math.sin(9 * u) + 0.6 * Math.sin(31 * u * u) + (u > 0.55 && u < 0.62 ? 0.8 : 0));
  const points = (values: Float64Array) => Array.from(values, (v, t) => [moments[t]!, v] as const);
  const panels = [6, 16, 48].map((n, k) =>
    chart(
      { x: 45 + 275 * k, y: 40, width: 250, height: 180, title: `n = ${n} coefficients` },
      { from: 0, to: 1, ticks: [0, 0.5, 1], label: 'beginning … now' },
      { from: -2.2, to: 2.4, ticks: [-2, 0, 2] },
      [
        { points: points(signal), color: faint },
        { points: points(legSReconstruct(legSProject(signal, n), moments)), color: blue },
      ],
    ),
  );
  return picture(860, 275, 'HiPPO-LegS remembers a signal with 6, 16 and 48 coefficients', ...panels);
}

/** Where the eigenvalues lie: LegS, its normal part, S4D-Lin, Mamba-2. */
function eigenvalues(): string {
  const n = 16;
  const pairs = (kind: 'legs' | 'lin' | 'real') => {
    const { re, im } = s4dEigenvalues(n, kind);
    return re.map((r, k) => [r, im[k]!] as const);
  };
  const { N } = hippoNormalPart(n);
  const largest = Math.max(...N.data.map(Math.abs));
  return picture(
    860,
    330,
    'Eigenvalues of LegS, of its normal part, of S4D-Lin, and the one number of a Mamba-2 head',
    chart(
      { x: 60, y: 40, width: 440, height: 230, title: `eigenvalues in the complex plane, n = ${n}`, legend: [12, 18] },
      { from: -17, to: 1, ticks: [-16, -12, -8, -4, -0.5], label: 'real part: how fast a state fades' },
      { from: -95, to: 95, ticks: [-80, -40, 0, 40, 80], label: 'imaginary part: how fast it turns' },
      [
        { points: pairs('real'), color: blue, name: 'LegS itself, S4D-Real, Mamba: −1 … −n', dots: 'filled' },
        {
          points: pairs('legs'),
          color: orange,
          name: 'its normal part, S4D-LegS: −½ ± iω',
          dots: 'open',
        },
        {
          points: pairs('lin'),
          color: green,
          name: 'S4D-Lin: −½ ± iπk',
          dots: 'filled',
        },
        { points: [[-4, 0]], color: red, name: 'Mamba-2: one number for all n, say −4', dots: 'filled' },
      ],
    ),
    text(690, 30, 'the normal part N = −½ I + S', { anchor: 'middle', bold: true }),
    heatmap(580, 40, 220, N, largest),
    text(690, 280, 'skew-symmetric but for its diagonal', { anchor: 'middle', size: 11 }),
  );
}

/** The matrix of the oscillator when Δ, B or C depend on the step. */
function selectivity(): string {
  const l = 28;
  const steady = new Float64Array(l).fill(0.25);
  const bursts = (seed: number) => numbers(seed, l).map((v) => (v > 0.2 ? 1.4 : 0.15));
  const scaled = (row: readonly number[], by: Float64Array) => Array.from(by, (f) => row.map((v) => f * v));
  const cases = [
    ['the same at every step', unrollSteps(oscillator, { dt: steady })],
    ['Δ varies', unrollSteps(oscillator, { dt: bursts(3).map((f) => 0.35 * f) })],
    ['B varies', unrollSteps(oscillator, { dt: steady, B: scaled(oscillator.B, bursts(5)) })],
    ['C varies', unrollSteps(oscillator, { dt: steady, C: scaled(oscillator.C, bursts(8)) })],
  ] as const;
  return picture(
    860,
    265,
    'A Toeplitz matrix, and what is left of it when Δ, B or C vary',
    ...cases.flatMap(([name, M], k) => {
      const dense = toDense(M);
      return [
        text(115 + 210 * k, 28, name, { anchor: 'middle', bold: true }),
        heatmap(25 + 210 * k, 38, 180, dense),
        text(115 + 210 * k, 238, `order ${semiseparableOrder(dense)}`, { anchor: 'middle', size: 11 }),
      ];
    }),
  );
}

/** One head with n = 4, and softmax attention on keys of the same size: sub-blocks, ranks and singular values. */
function ranks(): string {
  const [l, n] = [32, 4];
  const M = attentionMatrix({ dt: numbers(1, l, 0.05, 0.35), A: -0.8, B: matrix(2, l, n), C: matrix(3, l, n) });
  const scores = { Q: matrix(4, l, n).data.map((v) => 3 * v), K: matrix(5, l, n).data.map((v) => 3 * v) };
  const S = softmaxMatrix({ Q: hostTensor(scores.Q, [l, n]), K: hostTensor(scores.K, [l, n]) });
  const half = (T: typeof M) => slice(slice(T, 0, l / 2, l), 1, 0, l / 2);
  const spectrum = (T: typeof M) => {
    const values = singularValues(half(T));
    return Array.from(values, (v, k) => [k + 1, Math.max(v / values[0]!, 1e-17)] as const);
  };
  const blocks = (x: number, T: typeof M, color: string) => {
    const cell = 230 / l;
    return [
      [16, 32, 0, 16],
      [8, 20, 3, 8],
      [24, 30, 10, 24],
    ].flatMap(([r0, r1, c0, c1]) => {
      const rank = numericalRank(slice(slice(T, 0, r0!, r1!), 1, c0!, c1!));
      const [left, top] = [x + c0! * cell, 40 + r0! * cell];
      return [
        rect(left, top, (c1! - c0!) * cell, (r1! - r0!) * cell, { stroke: color, strokeWidth: 2 }),
        text(left + ((c1! - c0!) * cell) / 2, top + ((r1! - r0!) * cell) / 2 + 4, `rank ${rank}`, {
          anchor: 'middle',
          bold: true,
          size: 12,
          rim: true,
        }),
      ];
    });
  };
  const spectra = [
    { points: spectrum(M), color: blue, name: 'state space, n = 4' },
    { points: spectrum(S), color: orange, name: 'softmax, n = 4' },
  ];
  return picture(
    860,
    330,
    'Ranks of sub-blocks of a state-space matrix and of softmax attention',
    text(140, 28, 'state space, n = 4', { anchor: 'middle', bold: true }),
    heatmap(25, 40, 230, M),
    ...blocks(25, M, blue),
    text(410, 28, 'softmax attention, n = 4', { anchor: 'middle', bold: true }),
    heatmap(295, 40, 230, S),
    ...blocks(295, S, orange),
    chart(
      { x: 595, y: 40, width: 240, height: 230, title: 'singular values, lower left quarter', legend: [80, 120] },
      { from: 1, to: 16, ticks: [1, 4, 8, 12, 16], label: 'which' },
      {
        from: 1e-17,
        to: 1,
        log: true,
        ticks: [1e-16, 1e-12, 1e-8, 1e-4, 1],
        format: (v) => `1e${Math.round(Math.log10(v))}`,
      },
      spectra.flatMap((curve) => [curve, { points: curve.points, color: curve.color, dots: 'filled' }]),
    ),
  );
}

/** Masks, and the matrix that one of them makes. */
function masks(): string {
  const l = 24;
  const dt = numbers(11, l).map((v) => (v > 0.7 ? 1.6 : 0.12));
  const [B, C] = [matrix(12, l, 4), matrix(13, l, 4)];
  const L = oneSemiseparable(dt.map((v) => Math.exp(-v)));
  const cases = [
    ['causal', 'linear attention', causalMask(l)],
    ['γ^(j−i)', 'RetNet', decayMask(l, 0.85)],
    [
      'Toeplitz',
      'relative positions',
      toeplitz(Float64Array.from({ length: l }, (_, k) => Math.cos(k / 3) / (1 + k / 6))),
    ],
    ['1-semiseparable', 'L of Mamba-2', L],
    ['L ∘ C Bᵀ, times Δ', 'M of Mamba-2, n = 4', attentionMatrix({ dt, A: -1, B, C })],
  ] as const;
  return picture(
    860,
    235,
    'Masks of structured attention, and the matrix of a Mamba-2 head',
    ...cases.flatMap(([name, where, T], k) => [
      text(92 + 169 * k, 26, name, { anchor: 'middle', bold: true }),
      heatmap(17 + 169 * k, 38, 150, T),
      text(92 + 169 * k, 210, where, { anchor: 'middle', size: 11 }),
    ]),
  );
}

/** A head's matrix cut into chunks, and the three factors of one block below the diagonal. */
function blocks(): string {
  const [l, n, q] = [20, 3, 5];
  const input = { dt: numbers(21, l, 0.05, 0.4), A: -0.7, B: matrix(22, l, n), C: matrix(23, l, n) };
  const M = attentionMatrix(input);
  const size = 260;
  const cell = size / l;
  const [x0, y0] = [25, 42];
  const outlines: string[] = [];
  for (let c = 0; c < l / q; c++) {
    outlines.push(rect(x0 + c * q * cell, y0 + c * q * cell, q * cell, q * cell, { stroke: orange, strokeWidth: 2.5 }));
    for (let r = c + 1; r < l / q; r++)
      outlines.push(
        rect(x0 + c * q * cell + 1, y0 + r * q * cell + 1, q * cell - 2, q * cell - 2, {
          stroke: blue,
          strokeWidth: 1,
        }),
      );
  }
  // Block (3, 1): what chunk 1 says to chunk 3 through the state.
  const generators = headGenerators(input);
  const block = denseBlock(generators, [15, 20], [5, 10]);
  outlines.push(rect(x0 + 5 * cell, y0 + 15 * cell, q * cell, q * cell, { stroke: blue, strokeWidth: 3 }));
  const a = generators.A.data;
  const decay = (to: number, from: number) => a.subarray(from + 1, to + 1).reduce((product, v) => product * v, 1);
  const left = Float64Array.from(
    { length: q * n },
    (_, i) => decay(15 + Math.floor(i / n), 14) * input.C.data[15 * n + i]!,
  );
  const right = Float64Array.from(
    { length: n * q },
    (_, i) => decay(9, 5 + (i % q)) * generators.B.data[(5 + (i % q)) * n + Math.floor(i / q)]!,
  );
  const unit = 22;
  const tall = (x: number, y: number, data: Float64Array, rows: number, columns: number) => {
    const largest = Math.max(...data.map(Math.abs));
    const cells = Array.from(data, (v, i) =>
      heatmap(
        x + (i % columns) * unit,
        y + Math.floor(i / columns) * unit,
        unit,
        { data: [v], shape: [1, 1] },
        largest,
      ),
    );
    return [...cells, rect(x, y, columns * unit, rows * unit, { stroke: blue, strokeWidth: 1.5 })];
  };
  const y1 = 70;
  return picture(
    860,
    330,
    'The chunked product: blocks on the diagonal are attention, blocks below factor through a state',
    text(x0 + size / 2, 28, `M, l = ${l}, in chunks of ${q}`, { anchor: 'middle', bold: true }),
    heatmap(x0, y0, size, M),
    ...outlines,
    text(600, 28, `one block below the diagonal has rank n = ${n}`, { anchor: 'middle', bold: true }),
    heatmap(335, y1, q * unit, block),
    text(335 + (q * unit) / 2, y1 + q * unit + 18, 'block', { anchor: 'middle', size: 11 }),
    text(463, y1 + 60, '=', { anchor: 'middle', size: 18 }),
    ...tall(485, y1, left, q, n),
    text(485 + (n * unit) / 2, y1 + q * unit + 18, '4. left: decay ∘ C', { anchor: 'middle', size: 11 }),
    text(573, y1 + 60, '×', { anchor: 'middle', size: 18 }),
    circle(612, y1 + 55, 15, '#ddf4ff'),
    text(612, y1 + 59, decay(14, 9).toFixed(2), { anchor: 'middle', size: 10 }),
    text(612, y1 + q * unit + 18, '3. between', { anchor: 'middle', size: 11 }),
    text(650, y1 + 60, '×', { anchor: 'middle', size: 18 }),
    ...tall(670, y1 + unit, right, n, q),
    text(670 + (q * unit) / 2, y1 + q * unit + 18, '2. right: (decay ∘ Δ B)ᵀ', { anchor: 'middle', size: 11 }),
    text(335, 250, '1. orange blocks: attention inside a chunk, (L ∘ C Bᵀ) X', { size: 12, color: orange }),
    text(335, 270, '2. right factors turn a chunk’s inputs into one state of n numbers a channel', {
      size: 12,
      color: blue,
    }),
    text(335, 290, '3. one decay per chunk carries states on: a 1-semiseparable product, l / q long', {
      size: 12,
      color: blue,
    }),
    text(335, 310, '4. left factors read the state out for every position of a later chunk', { size: 12, color: blue }),
  );
}

export interface MeasuredForms {
  sweeps: {
    name: string;
    axis: string;
    at: number[];
    ms: Record<string, number[]>;
    multiplyAdds: Record<string, number[]>;
  }[];
}

/** Multiply-adds by the model and milliseconds by the clock, for one head as l grows. */
function growth({ sweeps }: MeasuredForms): string {
  const sweep = sweeps.find(({ name, axis }) => axis === 'l' && name.startsWith('one head'));
  if (!sweep) throw new Error('no sweep over l of one head among the measurements');
  const styles: Record<string, [string, string]> = {
    recurrent: [green, 'SSM, recurrent'],
    chunked: [blue, 'SSD, chunked'],
    softmax: [orange, 'softmax attention'],
    quadratic: [purple, 'SSM, quadratic'],
  };
  const curves = (values: Record<string, number[]>) =>
    Object.entries(styles).map(([name, [color, label]]) => ({
      points: sweep.at.map((l, i) => [l, values[name]![i]!] as const),
      color,
      name: label,
    }));
  const lengths = {
    from: sweep.at[0]!,
    to: sweep.at.at(-1)!,
    log: true,
    ticks: sweep.at.filter((_, i) => i % 2 === 0),
    label: 'length l',
  };
  const decades = (low: number, high: number) => Array.from({ length: high - low + 1 }, (_, k) => 10 ** (low + k));
  return picture(
    860,
    330,
    'What one head costs as the length grows: multiply-adds by the cost model, milliseconds measured',
    chart(
      { x: 70, y: 40, width: 330, height: 230, title: 'multiply-adds, by the cost model' },
      lengths,
      { from: 1e3, to: 1e9, log: true, ticks: decades(3, 9), format: (v) => `1e${Math.round(Math.log10(v))}` },
      curves(sweep.multiplyAdds),
    ),
    chart(
      { x: 490, y: 40, width: 330, height: 230, title: 'milliseconds, one CPU thread' },
      lengths,
      { from: 0.01, to: 10_000, log: true, ticks: decades(-2, 4) },
      curves(sweep.ms),
    ),
  );
}

/** What the parts of a Mamba-2 head do to each other: one signal path, drawn. */
function parallelScan(): string {
  const [x0, gap, levels] = [70, 92, 3];
  const parts: string[] = [];
  const y = (level: number) => 225 - 62 * level;
  for (let t = 0; t < 8; t++) {
    parts.push(text(x0 + t * gap, y(0) + 32, `step ${t}`, { anchor: 'middle', size: 11 }));
    parts.push(rect(x0 + t * gap - 30, y(0) - 12, 60, 24, { fill: '#f6f8fa', stroke: faint }));
    parts.push(text(x0 + t * gap, y(0) + 4, `a${t}, b${t}`, { anchor: 'middle', size: 11 }));
  }
  for (let level = 1; level <= levels; level++) {
    const span = 2 ** level;
    for (let from = 0; from < 8; from += span) {
      const x = x0 + (from + (span - 1) / 2) * gap;
      for (const child of [from, from + span / 2]) {
        const cx = x0 + (child + (span / 2 - 1) / 2) * gap;
        parts.push(
          polyline(
            [
              [cx, y(level - 1) - 12],
              [x, y(level) + 12],
            ],
            grey,
          ),
        );
      }
      parts.push(rect(x - 38, y(level) - 12, 76, 24, { fill: '#ddf4ff', stroke: blue }));
      parts.push(text(x, y(level) + 4, `${from} … ${from + span - 1}`, { anchor: 'middle', size: 11 }));
    }
  }
  parts.push(line(x0 + 3.5 * gap, 58, x0 + 3.5 * gap, 240, red, 1, '4 3'));
  parts.push(
    text(x0 + 3.5 * gap + 48, 34, 'the halves know nothing of each other until they merge', { size: 11, color: red }),
  );
  return picture(790, 275, 'The recurrence as a tree of merges of affine maps', ...parts);
}

/** Every figure by its file name. */
export function dualityFigures(measured: MeasuredForms): Record<string, string> {
  return {
    'duality-views.svg': views(),
    'duality-memory.svg': memory(),
    'duality-eigenvalues.svg': eigenvalues(),
    'duality-selectivity.svg': selectivity(),
    'duality-merging.svg': parallelScan(),
    'duality-ranks.svg': ranks(),
    'duality-masks.svg': masks(),
    'duality-blocks.svg': blocks(),
    'duality-growth.svg': growth(measured),
  };
}
