/**
 * The exact backend, to test others against.
 * @module reference
 */
export { reference } from './reference.js';
