/** The numeric scans on a pool's threads. */

import {
  ArgumentError,
  type SelectiveScanInput,
  ShapeError,
  expectNumber,
  refuseUnknown,
  tensorOf,
} from '@mamba2/core';

import { checkRecurrence, expectFinite, stateOf } from '../linear-recurrence.js';
import type { Vector } from '../monoids/affine.js';
import { badDecay, selectiveProblem } from '../selective-problem.js';
import type { SelectiveScanOutput } from '../selective-scan.js';
import type { WorkerPool } from './contract.js';
import type { ScanTasks } from './pool.js';
import type { LaneWork } from './tasks.js';

/** Options of every scan on threads. */
export interface ThreadedOptions {
  /** On how many of the pool's threads; all by default. */
  lanes?: number;
  /** Ends the run: see `RunOptions`. */
  signal?: AbortSignal;
  /** Called with what each lane did, once it is done. */
  report?: (work: readonly LaneWork[]) => void;
}

/** Options of the scans that return one array. */
export interface ThreadedArrayOptions extends ThreadedOptions {
  /** Runs from the last step to the first. False by default. */
  reverse?: boolean;
  /**
   * Where the result goes: as long as it, on memory from `pool.allocate`; `x` or `b` itself will do. New memory by default, which at first
   * touch can cost more than the scan.
   */
  out?: Float64Array | Float32Array;
}

const known = ['lanes', 'signal', 'report'] as const;
const knownOfArrays = [...known, 'reverse', 'out'] as const;

/**
 * Prefix sums by reduce-then-scan on t lanes, `y_t = x_0 + … + x_t`, added up in float64 in an order that depends on t. Work up to 2l, depth about
 * `2l/(t + 1)`: up to (t + ρ)/(1 + ρ) times as fast as one lane if reducing an element costs ρ times what scanning it does (here about ⅓).
 * @param x l numbers; a typed array on memory from `pool.allocate` is used in place, others are copied first
 * @returns (l) float32 for a Float32Array, float64 otherwise, on shared memory (`slice()` makes an ordinary copy)
 * @throws ArgumentError for unknown options; otherwise as `WorkerPool.run`
 */
export async function threadedPrefixSum(
  pool: WorkerPool<ScanTasks>,
  x: Vector,
  options: ThreadedArrayOptions & { exclusive?: boolean } = {},
): Promise<Float64Array | Float32Array> {
  refuseUnknown('threadedPrefixSum', options, [...knownOfArrays, 'exclusive']);
  const { exclusive = false, reverse = false } = options;
  const lanes = lanesOf(pool, options);
  const y = outOf(pool, x, options.out);
  const args = { x: visible(pool, x), y, totals: floats(pool, lanes), exclusive, reverse };
  const work = await pool.run('prefixSum', args, { lanes, signal: options.signal });
  options.report?.(work);
  return y;
}

/**
 * `linearRecurrence` on t lanes. Channels are independent, so where there are enough of them (8 a lane, a cache line) lanes share them and
 * nothing is done twice. Otherwise lanes share the steps, by reduce-then-scan of the affine maps, at up to (t + ρ)/(1 + ρ) times the speed of
 * one, ρ about ½ for one channel and 1 for many.
 * @param a decays: (l, d), or (l) for one number that all channels share; finite
 * @param b inputs: (l, d); typed arrays on memory from `pool.allocate` are used in place, others are copied first
 * @param h0 the state before: d numbers, or one number for d = 1; 0 by default
 * @param options `split` decides what lanes share
 * @returns h (l, d), float32 if b is, float64 otherwise, on shared memory; states are carried in float64
 * @throws ShapeError when lengths don't fit; ArgumentError for a decay that is not finite or unknown options; otherwise as `WorkerPool.run`
 * @example
 * ```ts
 * import { threadedRecurrence, workerPool } from '@mamba2/scan/threads';
 * const pool = await workerPool({ threads: 2 });
 * await threadedRecurrence(pool, [0.5, 0.5, 0.5], [1, 1, 1]); // [1, 1.5, 1.75]
 * pool.stop();
 * ```
 */
export async function threadedRecurrence(
  pool: WorkerPool<ScanTasks>,
  a: Vector,
  b: Vector,
  h0: number | Vector = 0,
  options: ThreadedArrayOptions & { split?: 'steps' | 'channels' } = {},
): Promise<Float64Array | Float32Array> {
  refuseUnknown('threadedRecurrence', options, [...knownOfArrays, 'split']);
  const { d, shared } = checkRecurrence(a, b, h0);
  const lanes = lanesOf(pool, options);
  const h = outOf(pool, b, options.out, a);
  const args = {
    a: visible(pool, a),
    b: visible(pool, b),
    h,
    h0: stateOf(h0),
    maps: floats(pool, lanes * 2 * d),
    shared,
    reverse: options.reverse ?? false,
    byChannel: expectSplit(options.split, 'channels') ?? d >= 8 * lanes,
  };
  const work = await pool.run('recurrence', args, { lanes, signal: options.signal });
  const last = args.reverse ? h.subarray(0, d) : h.subarray(h.length - d);
  if (!last.every(Number.isFinite)) expectFinite(a);
  options.report?.(work);
  return h;
}

/**
 * Mamba-1's selective scan on t lanes: the fused form, which keeps one state per row and writes nothing else between u and y. The b·d rows are
 * independent, so lanes share them where there is one for each; otherwise they share the steps by reduce-then-scan, where a stretch's map
 * needs only ΣΔ and its last state, for its decay is `exp(A ΣΔ)`. O(b l d n) work, nearly twice that when steps are shared.
 * Source: Mamba (arXiv 2312.00752), section 3.3.2 and algorithm 2.
 * @param input as core's `selectiveScan`; copied to shared memory
 * @param options `split` decides what lanes share
 * @returns as core's `selectiveScan`, on shared memory
 * @throws ShapeError when shapes don't fit; ArgumentError for an unknown name, a length past l, a decay that is not finite;
 * otherwise as `WorkerPool.run`
 */
export async function threadedSelectiveScan(
  pool: WorkerPool<ScanTasks>,
  input: SelectiveScanInput,
  options: ThreadedOptions & { split?: 'steps' | 'rows' } = {},
): Promise<SelectiveScanOutput> {
  refuseUnknown('threadedSelectiveScan', options, [...known, 'split']);
  const lanes = lanesOf(pool, options);
  const problem = selectiveProblem(input, (size) => floats(pool, size));
  const { b, l, d, n } = problem;
  const y = floats(pool, b * l * d);
  const finalStates = floats(pool, b * d * n);
  const maps = floats(pool, lanes * b * d * (1 + n));
  const byRow = expectSplit(options.split, 'rows') ?? b * d >= lanes;
  const args = { ...problem, y, finalStates, maps, byRow };
  const work = await pool.run('selectiveScan', args, { lanes, signal: options.signal });
  const bad = Math.max(...work.map((lane) => lane.bad));
  if (bad >= 0) throw badDecay(problem, bad);
  options.report?.(work);
  return { y: tensorOf(y, 'f64', [b, l, d]), finalStates: tensorOf(finalStates, 'f64', [b, d, n]) };
}

function lanesOf(pool: WorkerPool<ScanTasks>, { lanes = pool.threads }: ThreadedOptions): number {
  return expectNumber('lanes', lanes, { min: 1, max: pool.threads, integer: true });
}

/** Whether lanes split what needs nothing done twice, if the caller said so. @throws ArgumentError for another word */
function expectSplit(split: string | undefined, apart: string): boolean | undefined {
  if (split === undefined) return undefined;
  if (split === apart || split === 'steps') return split === apart;
  throw new ArgumentError('split', { given: split, expected: `steps or ${apart}` });
}

/** Zeros that every lane sees. */
function floats(pool: WorkerPool<ScanTasks>, size: number): Float64Array {
  return new Float64Array(pool.allocate(8 * size));
}

/** Zeros of a vector's kind and length that every lane sees. */
function emptyLike(pool: WorkerPool<ScanTasks>, x: Vector): Float64Array | Float32Array {
  return x instanceof Float32Array ? new Float32Array(pool.allocate(4 * x.length)) : floats(pool, x.length);
}

/**
 * Where a result as long as `x` goes.
 * @param other another input, which the result must not touch; on `x` it may lie exactly
 * @throws ShapeError, ArgumentError when it can't go there
 */
function outOf(
  pool: WorkerPool<ScanTasks>,
  x: Vector,
  out: Float64Array | Float32Array | undefined,
  other?: Vector,
): Float64Array | Float32Array {
  if (!out) return emptyLike(pool, x);
  if (out.length !== x.length) throw new ShapeError('out', { given: `${out.length} numbers`, expected: `${x.length}` });
  if (!pool.sees(out.buffer)) {
    throw new ArgumentError('out lies where the workers do not see it', {
      expected: 'memory from pool.allocate(bytes)',
    });
  }
  const onX =
    overlap(out, x) && !(ArrayBuffer.isView(x) && x.byteOffset === out.byteOffset && x.byteLength === out.byteLength);
  if (onX || (other && overlap(out, other))) {
    throw new ArgumentError('out overlaps an input', { expected: 'memory of its own, or exactly that of x or b' });
  }
  return out;
}

/** Whether two arrays share bytes. */
function overlap(x: Vector, y: Vector): boolean {
  if (!ArrayBuffer.isView(x) || !ArrayBuffer.isView(y) || x.buffer !== y.buffer) return false;
  return x.byteOffset < y.byteOffset + y.byteLength && y.byteOffset < x.byteOffset + x.byteLength;
}

/** The vector where every lane sees it: itself if it lies there, a copy otherwise. */
function visible(pool: WorkerPool<ScanTasks>, x: Vector): Float64Array | Float32Array {
  if (!Array.isArray(x) && pool.sees((x as Float64Array).buffer)) return x as Float64Array;
  const copy = emptyLike(pool, x);
  copy.set(x);
  return copy;
}
