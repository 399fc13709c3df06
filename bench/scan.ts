/**
 * The scans on 1 … t workers against the sequential loops: `npx tsx --conditions=@mamba2/source bench/scan.ts [rounds]`.
 * Every contender's result is checked against the sequential one before anything is timed. A round runs each once, in turn; numbers are
 * medians over rounds, ratios are medians of the ratios within a round, so that a busy machine hurts all alike.
 */

import { availableParallelism, cpus, loadavg } from 'node:os';

import { type SelectiveScanInput, hostTensor, selectiveScan } from '@mamba2/core';
import {
  type Scan,
  type ScanAlgorithm,
  blelloch,
  hillisSteele,
  linearRecurrence,
  reduceThenScan,
  scalarAffine,
  scanCosts,
  sequentialScan,
} from '@mamba2/scan';
import {
  type LaneWork,
  type ThreadedOptions,
  threadedPrefixSum,
  threadedRecurrence,
  threadedSelectiveScan,
  workerPool,
} from '@mamba2/scan/threads';

type Numbers = Float64Array | Float32Array;

/** One problem: the loop to beat, and the same on some of the pool's lanes. */
interface Problem {
  name: string;
  /** What lanes share; steps cost a second pass, anything else is independent. */
  split: 'steps' | 'channels' | 'rows';
  elements: number;
  sequential: () => Numbers;
  threaded: (options: ThreadedOptions) => Promise<Numbers>;
}

const rounds = Number(process.argv[2] ?? 25);
const pool = await workerPool({ threads: Math.max(2, availableParallelism()) });
console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, Node ${process.version}`);
console.log(
  `${rounds} rounds, load ${loadavg()[0]!.toFixed(1)}; ${pool.describe().threads} ${pool.describe().runsOn}\n`,
);
for (const problem of problems()) await compare(problem);
pool.stop();
compareAlgorithms();

/** Numbers on the pool's memory, from a small deterministic generator. */
function numbers(size: number, low: number, high: number): Float64Array {
  const values = new Float64Array(pool.allocate(8 * size));
  let state = 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = low + ((high - low) * state) / 2 ** 32;
  }
  return values;
}

function* problems(): Generator<Problem> {
  for (const l of [2 ** 16, 2 ** 20]) {
    const [x, out] = [numbers(l, -1, 1), numbers(l, 0, 0)];
    yield {
      name: `prefix sum, l = ${l}`,
      split: 'steps',
      elements: l,
      sequential() {
        let sum = 0;
        for (let i = 0; i < l; i++) out[i] = sum += x[i]!;
        return out;
      },
      threaded: (options) => threadedPrefixSum(pool, x, { ...options, out }),
    };
  }
  for (const [l, d, split] of [
    [2 ** 16, 1, 'steps'],
    [2 ** 20, 1, 'steps'],
    [2 ** 14, 64, 'steps'],
    [2 ** 14, 64, 'channels'],
  ] as const) {
    const [a, b, out] = [numbers(l * d, 0.8, 1), numbers(l * d, -1, 1), numbers(l * d, 0, 0)];
    const h0 = new Float64Array(d);
    yield {
      name: `recurrence, l = ${l}, d = ${d}, by ${split}`,
      split,
      elements: l * d,
      sequential: () => linearRecurrence(a, b, h0),
      threaded: (options) => threadedRecurrence(pool, a, b, h0, { ...options, split, out }),
    };
  }
  for (const split of ['steps', 'rows'] as const) {
    const [b, l, d, n] = [1, 1024, 64, 16];
    const tensor = (low: number, high: number, ...shape: number[]) =>
      hostTensor(
        numbers(
          shape.reduce((x, y) => x * y),
          low,
          high,
        ),
        shape,
      );
    const input: SelectiveScanInput = {
      u: tensor(-1, 1, b, l, d),
      dt: tensor(-6, -1, b, l, d),
      A: tensor(-16, -1, d, n),
      B: tensor(-1, 1, b, l, n),
      C: tensor(-1, 1, b, l, n),
      D: tensor(-1, 1, d),
      z: tensor(-1, 1, b, l, d),
      dtSoftplus: true,
    };
    yield {
      name: `selective scan, l = ${l}, d = ${d}, n = ${n}, by ${split}`,
      split,
      elements: b * l * d,
      sequential: () => selectiveScan(input).y.data,
      threaded: async (options) => (await threadedSelectiveScan(pool, input, { ...options, split })).y.data,
    };
  }
}

/** Checks, times in turn, and prints what each lane did and what that predicts. */
async function compare({ name, split, elements, sequential, threaded }: Problem): Promise<void> {
  const truth = Float64Array.from(sequential());
  const lanes = Array.from({ length: pool.threads }, (_, i) => i + 1);
  for (const count of lanes) expectEqual(`${name}, ${count} workers`, await threaded({ lanes: count }), truth);

  const times: number[][] = [[], ...lanes.map(() => [])];
  const works: LaneWork[][][] = lanes.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < times.length; turn++) {
      const which = (turn + round) % times.length;
      const start = performance.now();
      if (which === 0) sequential();
      else await threaded({ lanes: which, report: (work) => works[which - 1]!.push([...work]) });
      times[which]!.push(performance.now() - start);
    }
  }

  console.log(name);
  console.log(`  sequential   ${milliseconds(times[0]!)}`);
  const best = works.map(bestPasses);
  for (const count of lanes) {
    const ratio = (to: number): string =>
      `${median(times[count]!.map((time, round) => times[to]![round]! / time)).toFixed(2)}×`;
    const passes = best[count - 1]!;
    const predicted = count === 1 ? 1 : split === 'steps' ? (count + rho(passes)) / (1 + rho(passes)) : count;
    const done = works[count - 1]![0]!.map((lane) => lane.elements);
    console.log(
      `  ${count} worker${count > 1 ? 's' : ' '}    ${milliseconds(times[count]!)}  ${ratio(0)} sequential, ${ratio(1)} one worker;` +
        ` passes at best ${critical(passes).toFixed(2)} ms, ${(critical(best[0]!) / critical(passes)).toFixed(2)}× one worker's` +
        ` (predicted ${predicted.toFixed(2)}×); work ${(total(done) / elements).toFixed(2)}×`,
    );
    passes.forEach((lane, k) =>
      console.log(`      lane ${k}: ${done[k]} elements, ${lane.map((ms) => ms.toFixed(2)).join(' + ')} ms`),
    );
  }
  console.log();
}

/** For each lane and pass the best time of all rounds: what the computation takes when the machine does nothing else. */
function bestPasses(runs: readonly LaneWork[][]): number[][] {
  return runs[0]!.map(({ passes }, lane) =>
    passes.map((_, pass) => Math.min(...runs.map((run) => run[lane]!.passes[pass]!))),
  );
}

/** The time of the passes: in each, lanes wait for the slowest. */
function critical(passes: readonly number[][]): number {
  return total(passes[0]!.map((_, pass) => Math.max(...passes.map((lane) => lane[pass]!))));
}

/** What reducing an element costs over scanning it: lane 1 does both, on chunks of one size. */
function rho(passes: readonly number[][]): number {
  return passes[1]![0]! / passes[1]![1]!;
}

/** The algorithms over objects, one thread: time follows the number of combines. */
function compareAlgorithms(): void {
  const l = 4096;
  const scans: Record<ScanAlgorithm, Scan> = {
    sequential: sequentialScan,
    hillisSteele,
    blelloch,
    reduceThenScan: (monoid, values, options) => reduceThenScan(monoid, values, { ...options, chunks: 9 }),
  };
  const maps = Array.from({ length: l }, (_, t) => ({ a: 1 / (1 + (t % 7)), b: t % 5 }));
  const truth = linearRecurrence(
    maps.map((map) => map.a),
    maps.map((map) => map.b),
  );
  const names = Object.keys(scans) as ScanAlgorithm[];
  const times = new Map(names.map((name) => [name, [] as number[]]));
  for (const name of names)
    expectEqual(
      name,
      scans[name](scalarAffine, maps).map((map) => map.b),
      truth,
    );
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const start = performance.now();
      scans[name](scalarAffine, maps);
      times.get(name)!.push(performance.now() - start);
    }
  }
  console.log(`any monoid (scalar affine maps as objects), l = ${l}, one thread`);
  for (const name of names) {
    const { combines, depth, time } = scanCosts(name, l, 8);
    const each = (median(times.get(name)!) / combines) * 1e6;
    console.log(
      `  ${name.padEnd(15)} ${milliseconds(times.get(name)!)}   ${combines} combines, ${each.toFixed(0)} ns each; ` +
        `depth ${depth}, on 8 lanes ${time} steps`,
    );
  }
}

/** @throws Error when two results differ by more than rounding: the brackets differ, so the last bits do. */
function expectEqual(what: string, actual: ArrayLike<number>, truth: ArrayLike<number>): void {
  let [difference, size] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    difference += (actual[i]! - truth[i]!) ** 2;
    size += truth[i]! ** 2;
  }
  if (actual.length === truth.length && Math.sqrt(difference) <= 1e-10 * Math.sqrt(size)) return;
  throw new Error(`${what}: relative error ${Math.sqrt(difference / size)} against the sequential result`);
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

/** Median and best of some times. */
function milliseconds(times: readonly number[]): string {
  return `${median(times).toFixed(2).padStart(7)} ms (best ${Math.min(...times).toFixed(2)})`;
}
