import { color } from '../shell/theme.js';

/** A colour for a number between −1 and 1, as red, green, blue in 0 … 255. */
export type Shade = (share: number) => [number, number, number];

/**
 * The diverging scale of every matrix: blue for positive, orange for negative numbers, the paper's colour for 0. A share enters by its square root,
 * as decays span orders of magnitude: half the ink is a quarter of the largest number.
 */
export function diverging(): Shade {
  const [paper, positive, negative] = [color('--raised'), color('--positive'), color('--negative')];
  return (share) => {
    const ink = Math.sqrt(Math.min(1, Math.abs(share)));
    const towards = share < 0 ? negative : positive;
    return [0, 1, 2].map((k) => paper[k]! + ink * (towards[k]! - paper[k]!)) as [number, number, number];
  };
}

/** The largest size of any number; 1 for a matrix of zeros. */
export function largestOf(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest || 1;
}
