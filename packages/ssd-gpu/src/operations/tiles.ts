import { cellsFour, cellsOne, products, productsAhead, productsRolled } from '../shaders.generated.js';
import type { Constants } from '../runtime/kernel.js';

/** Reads four numbers at a time where `FOUR` says that everything is aligned to it. */
export const cells = ({ FOUR }: Constants): string => (FOUR ? cellsFour : cellsOne);

/** Products of matrices in tiles, written as the device's compiler likes them. */
export const tiles = ({ SOFTWARE }: Constants): readonly string[] => [
  products,
  SOFTWARE ? productsRolled : productsAhead,
];
