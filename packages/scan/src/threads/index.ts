/**
 * Scans and tasks of your own on several threads. Apart from the rest for its weight: the workers' code travels as text.
 * @module threads
 */
export type { PoolDescription, RunOptions, TaskSet, Tasks, WorkerPool } from './contract.js';
export type { Lane, Task } from './lane.js';
export * from './pool.js';
export * from './scans.js';
export { serve } from './serve.js';
export type { LaneWork } from './tasks.js';
