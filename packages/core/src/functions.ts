/** Scalar functions of the model, accurate where Mamba uses them. */

/** `log(1 + eˣ)`, without overflow for large x and without losing digits for x ≪ 0, where Mamba's Δ lives. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** `x · σ(x)`, also called swish. */
export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

/** `log Σ exp(values)`, shifted by the maximum; −∞ for none. NaN values count as −∞. */
export function logSumExp(values: Iterable<number> & { readonly length: number }): number {
  let max = -Infinity;
  for (const v of values) if (v > max) max = v;
  if (!Number.isFinite(max)) return max;
  let sum = 0;
  for (const v of values) if (v > -Infinity) sum += Math.exp(v - max);
  return max + Math.log(sum);
}
