import type { Backend, BackendDescription, Program, Weight, WeightFormat } from '../backend.js';
import { refuseUnknown } from '../arguments.js';
import type { Stored } from '../dtype.js';
import { ShapeError, UnsupportedError } from '../errors.js';
import { shapeText } from '../shape.js';
import { denseOperations } from './dense.js';
import { type Block, Memory, tensorsIn } from './memory.js';
import { samplerOperations } from './sampler.js';
import { sequenceOperations } from './sequence.js';

/**
 * The reference backend: the obvious loops on Float64Arrays, states included. Slow, exact and readable; it is the oracle that every other
 * backend is tested against. Every split of a sequence gives the same bits.
 */
export function reference(): Backend<Block> {
  const memory = new Memory();
  const operations = { ...denseOperations(memory), ...sequenceOperations(memory), ...samplerOperations(memory) };

  function weight(matrix: Stored, options: { format?: WeightFormat } = {}): Weight<Block> {
    refuseUnknown('weight', options, ['format']);
    const [m, k] = matrix.shape;
    if (m === undefined || k === undefined || matrix.shape.length !== 2) {
      throw new ShapeError('weight', { given: shapeText(matrix.shape), expected: '(m, k)' });
    }
    if (options.format && options.format !== 'stored') {
      throw new UnsupportedError(`weight format "${options.format}" on the reference backend`, {
        expected: '"stored"',
      });
    }
    return { format: 'stored', shape: [m, k], parts: [memory.upload(matrix)] };
  }

  function program<T>(fn: () => T): Program<T> {
    let first: { result: T } | undefined;
    return {
      run() {
        const result = memory.record(fn);
        if (!first) {
          first = { result };
          return result;
        }
        const kept = tensorsIn(first.result);
        tensorsIn(result).forEach((t, i) => {
          if (t.data === kept[i]!.data) return;
          kept[i]!.data.set(t.data);
          memory.release([t]);
        });
        return first.result;
      },
      dispose() {
        first = undefined;
      },
    };
  }

  return {
    name: 'reference',
    lookahead: 1,
    describe: (): BackendDescription => ({
      backend: 'reference',
      device: 'this thread, float64',
      operations: Object.fromEntries(
        Object.keys(operations).map((name) => [name, { variant: 'loops', why: 'the only one: the definition' }]),
      ),
      notes: ['exact and slow: every other backend is checked against this one'],
    }),
    upload: (values, shape) => memory.upload(values, shape),
    zeros: (shape, dtype = 'float') => {
      memory.outsideProgram('zeros');
      return memory.make(shape, dtype === 'float' ? 'f64' : dtype);
    },
    weight,
    read: async (t) => {
      memory.outsideProgram('read');
      return memory.values(t);
    },
    free: (...things) => memory.release(things),
    ...operations,
    scope: (fn) => memory.scope(fn),
    program,
    dispose: () => memory.dispose(),
  };
}
