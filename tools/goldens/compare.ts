/** How far computed numbers are from the truth. */
export interface Difference {
  /** ‖out − ref‖ / ‖ref‖ */
  relative: number;
  /** The largest |out − ref| … */
  worst: number;
  /** … and where it is. */
  at: number[];
}

/** Compares numbers with the truth of a shape. Anything not a number counts as infinitely wrong. */
export function compare(out: ArrayLike<number>, ref: ArrayLike<number>, shape: readonly number[]): Difference {
  if (out.length !== ref.length) return { relative: Infinity, worst: Infinity, at: [] };
  let [squares, norm, worst, index] = [0, 0, 0, 0];
  for (let i = 0; i < ref.length; i++) {
    const difference = Math.abs(out[i]! - ref[i]!);
    const error = Number.isNaN(difference) ? Infinity : difference;
    squares += error * error;
    norm += ref[i]! * ref[i]!;
    if (error > worst) [worst, index] = [error, i];
  }
  const relative = squares === 0 ? 0 : Math.sqrt(squares) / Math.sqrt(norm);
  return { relative, worst, at: unravel(index, shape) };
}

/** A flat index as an index per axis. */
function unravel(index: number, shape: readonly number[]): number[] {
  const at: number[] = [];
  for (let axis = shape.length - 1, rest = index; axis >= 0; axis--) {
    at.unshift(rest % shape[axis]!);
    rest = Math.floor(rest / shape[axis]!);
  }
  return at;
}
