/** What an error tells besides its subject: what came, what was wanted, and the step that mends it. */
export interface ErrorDetails {
  /** What was given, as the caller would recognise it. */
  given?: string;
  /** What would have been accepted. */
  expected?: string;
  /** What to do about it. */
  fix?: string;
  /** The lower-level error that led here. */
  cause?: unknown;
}

/** Base of every error this project throws on purpose; catch it to tell bad input from a bug. */
export class Mamba2Error extends Error {
  /** The name of its class. */
  override name = 'Mamba2Error';
  /** The message without its details. */
  readonly what: string;
  /** What the message is made of. */
  readonly details: ErrorDetails;

  constructor(what: string, details: ErrorDetails = {}) {
    const { given, expected, fix, cause } = details;
    const parts = [what];
    if (given !== undefined) parts.push(`given: ${given}`);
    if (expected !== undefined) parts.push(`expected: ${expected}`);
    if (fix !== undefined) parts.push(`to mend it: ${fix}`);
    super(parts.join('; '), cause === undefined ? undefined : { cause });
    this.what = what;
    this.details = details;
  }
}

/** Tensors whose shapes, strides or dtypes don't fit together. */
export class ShapeError extends Mamba2Error {
  override name = 'ShapeError';
}

/** A checkpoint, state or weight file that is damaged, incomplete, or contradicts itself. */
export class CheckpointError extends Mamba2Error {
  override name = 'CheckpointError';
}

/** Something well-formed that this library does not do; the message names it. */
export class UnsupportedError extends Mamba2Error {
  override name = 'UnsupportedError';
}

/** A device that failed, was lost or disposed, or whose memory was used after its release. */
export class DeviceError extends Mamba2Error {
  override name = 'DeviceError';
}

/** An option or argument outside its range: a NaN temperature, an id past the vocabulary, an empty prompt. */
export class ArgumentError extends Mamba2Error {
  override name = 'ArgumentError';
}
