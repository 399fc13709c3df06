import type { LaunchWork } from '../runtime/launch.js';
import type { ConvStep } from './conv-step.js';
import type { NormFolded } from './norm.js';

/** What the operation in front offers the one behind it, when the queue joins neighbours: see `fuse`. */
export interface Offers {
  /** A normalisation that the reader may do itself. */
  readonly norm?: NormFolded;
  /** A product that can end in one step of a convolution. */
  readonly conv?: (step: ConvStep) => LaunchWork[] | undefined;
  /** A step of the recurrence that can end in a gate, as `ssd` with `z` does. */
  readonly gate?: (norm: NormFolded) => LaunchWork | undefined;
}
