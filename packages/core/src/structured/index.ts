export { semiseparableProduct, semiseparableSum, semiseparableTranspose } from './algebra.js';
export { multiplyChunked } from './chunked.js';
export {
  type MultiplicationCosts,
  multiplicationCosts,
  type MultiplicationForm,
  type MultiplicationSize,
} from './costs.js';
export { denseBlock, entry, toDense } from './dense.js';
export { multiplyDivided } from './divided.js';
export type { SemiseparableTensors, SequentiallySemiseparable } from './generators.js';
export type { Dense, NestedNumbers, Numbers } from './numbers.js';
export { cumprodsum, oneSemiseparable, segsum } from './one-semiseparable.js';
export { multiplyQuadratic } from './quadratic.js';
export { multiplyRecurrent } from './recurrent.js';
