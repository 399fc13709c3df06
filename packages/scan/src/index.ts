/**
 * Scans over any monoid, and the recurrences that are scans.
 * @module scan
 */
export { blelloch } from './blelloch.js';
export * from './check-monoid.js';
export * from './costs.js';
export { hillisSteele } from './hillis-steele.js';
export { type RecurrenceGradient, linearRecurrence, linearRecurrenceGradient } from './linear-recurrence.js';
export type { Scan, ScanOptions } from './machine.js';
export * from './monoid.js';
export { type Affine, type Vector, applyAffine, diagonalAffine, scalarAffine } from './monoids/affine.js';
export * from './monoids/matrices.js';
export * from './monoids/numbers.js';
export * from './monoids/ssm.js';
export * from './reduce-then-scan.js';
export * from './segment-tree.js';
export * from './selective-scan.js';
export { sequentialScan } from './sequential.js';
export * from './trace.js';
