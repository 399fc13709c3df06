// Norms over the last axis, by rows.

import { LayerNormCommand, RmsNormCommand } from './commands';
import { loadPart, madd, silu, storePart, sum } from './simd';
import { rowAt } from './views';

/** w · x / √(mean x² + ε) over each group of the last axis, gated before or after; groups begin … end of all rows */
export function rmsNorm(c: RmsNormCommand, begin: u32, end: u32): void {
  const x = changetype<usize>(c) + offsetof<RmsNormCommand>('x');
  const gate = changetype<usize>(c) + offsetof<RmsNormCommand>('gate');
  const width = c.d / c.groups;
  for (let item = begin; item < end; item++) {
    const r = item / c.groups;
    const column: usize = ((item - r * c.groups) * width) << 2;
    const gateAt: usize = c.gate ? rowAt(gate, r) + column : 0;
    const out = c.out + ((<usize>r * c.d) << 2) + column;
    normalise(rowAt(x, r) + column, gateAt, c.gateAfter != 0, c.weight + column, out, width, c.eps);
  }
}

function normalise(x: usize, gate: usize, gateAfter: bool, weight: usize, out: usize, width: u32, eps: f32): void {
  const before = gate != 0 && !gateAfter;
  const whole: usize = (width & ~3) << 2;
  const left = width & 3;
  let squares = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) {
    let v = v128.load(x + at);
    if (before) {
      v = f32x4.mul(v, silu(v128.load(gate + at)));
      v128.store(out + at, v);
    }
    squares = madd(v, v, squares);
  }
  if (left) {
    let v = loadPart(x + whole, left);
    if (before) {
      v = f32x4.mul(v, silu(loadPart(gate + whole, left)));
      storePart(out + whole, v, left);
    }
    squares = madd(v, v, squares);
  }
  const scale = f32x4.splat(<f32>(1 / sqrt<f64>(<f64>sum(squares) / width + eps)));
  const from = before ? out : x;
  for (let at: usize = 0; at < whole; at += 16) {
    let v = f32x4.mul(f32x4.mul(v128.load(from + at), scale), v128.load(weight + at));
    if (gateAfter) v = f32x4.mul(v, silu(v128.load(gate + at)));
    v128.store(out + at, v);
  }
  if (left) {
    let v = f32x4.mul(f32x4.mul(loadPart(from + whole, left), scale), loadPart(weight + whole, left));
    if (gateAfter) v = f32x4.mul(v, silu(loadPart(gate + whole, left)));
    storePart(out + whole, v, left);
  }
}

/** w · (x − μ) / √(σ² + ε) + bias; rows begin … end */
export function layerNorm(c: LayerNormCommand, begin: u32, end: u32): void {
  const x = changetype<usize>(c) + offsetof<LayerNormCommand>('x');
  for (let r = begin; r < end; r++) standardise(rowAt(x, r), c.weight, c.bias, c.out + ((<usize>r * c.d) << 2), c.d, c.eps);
}

/**
 * Two passes, the second corrected (Chan, Golub and LeVeque 1983, “Algorithms for Computing the Sample Variance”): what rounding left out of
 * the mean m shows as the mean ρ of x − m, so that μ = m + ρ and σ² = mean (x − m)² − ρ². However far from zero a row lies, x − m is small and loses nothing.
 */
function standardise(x: usize, weight: usize, bias: usize, out: usize, d: u32, eps: f32): void {
  const whole: usize = (d & ~3) << 2;
  const left = d & 3;
  let total = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) total = f32x4.add(total, v128.load(x + at));
  total = f32x4.add(total, loadPart(x + whole, left));
  const mean = f32x4.splat(<f32>(<f64>sum(total) / d));

  let rest = f32x4.splat(0), squares = rest;
  for (let at: usize = 0; at < whole; at += 16) {
    const v = f32x4.sub(v128.load(x + at), mean);
    rest = f32x4.add(rest, v);
    squares = madd(v, v, squares);
  }
  for (let at = whole; at < (<usize>d << 2); at += 4) {
    const v = f32x4.replace_lane(f32x4.splat(0), 0, load<f32>(x + at) - f32x4.extract_lane(mean, 0));
    rest = f32x4.add(rest, v);
    squares = madd(v, v, squares);
  }
  const rho = <f64>sum(rest) / d;
  const variance = max<f64>(<f64>sum(squares) / d - rho * rho, 0);
  const missed = f32x4.splat(<f32>rho);
  const scale = f32x4.splat(<f32>(1 / sqrt<f64>(variance + eps)));
  for (let at: usize = 0; at < whole; at += 16) {
    const z = f32x4.mul(f32x4.sub(f32x4.sub(v128.load(x + at), mean), missed), scale);
    v128.store(out + at, madd(z, v128.load(weight + at), v128.load(bias + at)));
  }
  if (left) {
    const z = f32x4.mul(f32x4.sub(f32x4.sub(loadPart(x + whole, left), mean), missed), scale);
    storePart(out + whole, madd(z, loadPart(weight + whole, left), loadPart(bias + whole, left)), left);
  }
}
