export { storyteller } from './storyteller.js';
