import { ArgumentError, type Backend, CheckpointError, type Streamed, type Weight } from '@mamba2/core';
import { isBlockFormat } from '@mamba2/core/weights';
import { converted } from './checkpoint/convert.js';

/** How `load` keeps matrices: as the checkpoint has them, as floats of a type, or in blocks of 8-bit or 4-bit numbers. */
export const loadDtypes = ['stored', 'f32', 'f16', 'bf16', 'q8', 'q4'] as const;
/** One of {@link loadDtypes}. */
export type LoadDtype = (typeof loadDtypes)[number];

/** @throws ArgumentError for a name that is none */
export function expectLoadDtype(dtype: string): LoadDtype {
  if ((loadDtypes as readonly string[]).includes(dtype)) return dtype as LoadDtype;
  const expected = loadDtypes.map((name) => `"${name}"`).join(', ');
  throw new ArgumentError('dtype', { given: `"${dtype}"`, expected: `one of ${expected}` });
}

/** A matrix on a backend, in the wanted form. @throws CheckpointError naming the matrix where it can't have that */
export async function matrixAs<S>(
  backend: Backend<S>,
  name: string,
  matrix: Streamed,
  dtype: LoadDtype,
): Promise<Weight<S>> {
  const keep = dtype === 'stored' || isBlockFormat(dtype);
  return naming(name, () =>
    keep ? backend.weightFrom(matrix, { format: dtype }) : backend.weightFrom(converted(matrix, dtype)),
  );
}

/** Puts a tensor's name in front of what is wrong with it. */
export async function naming<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CheckpointError) || error.message.includes(name)) throw error;
    const { what, details } = error;
    throw new CheckpointError(`${name}: ${what}`, { ...details, cause: error });
  }
}
