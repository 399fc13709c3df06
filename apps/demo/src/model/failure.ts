import { Mamba2Error } from '@mamba2/core';
import type { Failure } from './protocol.js';

/** What an error of any kind tells, as it crosses from a worker to the page. */
export function failureFrom(error: unknown): Failure {
  if (error instanceof Mamba2Error) {
    const { given, expected, fix } = error.details;
    return { name: error.name, message: error.what, given, expected, fix };
  }
  if (error instanceof Error || error instanceof DOMException) return { name: error.name, message: error.message };
  return { name: 'Error', message: String(error) };
}
