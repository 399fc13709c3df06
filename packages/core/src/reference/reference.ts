import { refuseUnknown } from '../arguments.js';
import type { Backend, BackendDescription, Program, Weight, WeightFormat } from '../backend.js';
import { type Stored, stored } from '../dtype.js';
import { ArgumentError, DeviceError, ShapeError } from '../errors.js';
import { shapeText } from '../shape.js';
import { attentionOperation } from './attention.js';
import { type BlockMatrix, isBlockFormat, isBlockMatrix } from '../weights/blocks.js';
import { dequantise, inFormat } from '../weights/quantise.js';
import { collect } from '../weights/streamed.js';
import { denseOperations } from './dense.js';
import { type Block, Memory, type Recording, type RefTensor, tensorsIn } from './memory.js';
import { samplerOperations } from './sampler.js';
import { sequenceOperations } from './sequence.js';

/**
 * The reference backend: the obvious loops on Float64Arrays, states included. Slow, exact and readable; it is the oracle that every other
 * backend is tested against. Every split of a sequence gives the same bits. It is also the strictest: it checks the numbers in ids, rows,
 * lengths and sampling parameters, which a device can only clamp.
 */
export function reference(): Backend<Block> {
  const memory = new Memory();
  const operations = recordable(memory, {
    ...denseOperations(memory),
    ...sequenceOperations(memory),
    ...attentionOperation(memory),
    ...samplerOperations(memory),
  });

  /** Blocks are kept as the numbers that they stand for. */
  function weight(matrix: Stored | BlockMatrix, options: { format?: WeightFormat } = {}): Weight<Block> {
    refuseUnknown('weight', options, ['format']);
    const { format = 'stored' } = options;
    const [m, k] = matrix.shape;
    if (m === undefined || k === undefined || matrix.shape.length !== 2) {
      throw new ShapeError('a weight is a matrix', { given: shapeText(matrix.shape), expected: '(m, k)' });
    }
    if (matrix.dtype === 'i32' || matrix.dtype === 'u32') {
      throw new ShapeError('a weight holds floats', {
        given: `${matrix.dtype} values`,
        expected: 'f64, f32, f16 or bf16',
      });
    }
    if (format !== 'stored' && !isBlockFormat(format)) {
      throw new ArgumentError('weight format', { given: `"${String(format)}"`, expected: '"stored", "q8" or "q4"' });
    }
    const kept = inFormat(matrix, format);
    if (isBlockMatrix(kept)) {
      const numbers = memory.upload(stored(dequantise(kept)), [m, k], 'f32');
      return { format: kept.dtype, shape: [m, k], parts: [numbers] };
    }
    const floats = kept.dtype === 'f64' ? 'f64' : 'f32'; // f32, f16 and bf16 are exact in f32
    return { format: 'stored', shape: [m, k], parts: [memory.upload(kept, [m, k], floats)] };
  }

  function program<T>(fn: () => T): Program<T> {
    memory.alive();
    let recording: Recording<T> | undefined;
    let disposed = false;
    return {
      run() {
        if (disposed) throw new DeviceError('this program was disposed', { fix: 'record another one' });
        if (recording) memory.replay(recording);
        else recording = memory.record(fn);
        return recording.result;
      },
      dispose() {
        disposed = true;
        if (recording) memory.release(tensorsIn(recording.result).filter((t) => recording!.blocks.has(t.data)));
      },
    };
  }

  return {
    name: 'reference',
    lookahead: 1,
    segment: 32,
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
    weightFrom: async (matrix, options) => {
      memory.alive();
      return weight(await collect(matrix), options);
    },
    read: async (t) => {
      memory.outsideProgram('read');
      memory.use('tensor', t);
      return memory.values(t);
    },
    free: (...things) => memory.release(things),
    ...operations,
    scope: (fn) => memory.scope(fn),
    program,
    dispose: () => memory.dispose(),
  };
}

/** The same operations, noted down while a program is being recorded. */
function recordable<T extends Record<string, (...operands: never[]) => RefTensor | void>>(
  memory: Memory,
  operations: T,
): T {
  const wrap =
    (operation: (...operands: never[]) => RefTensor | void) =>
    (...operands: never[]) =>
      memory.perform(() => operation(...operands));
  return Object.fromEntries(Object.entries(operations).map(([name, operation]) => [name, wrap(operation)])) as T;
}
