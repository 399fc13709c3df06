/**
 * Matrix products on the GPU, weights stored as f16: `npx tsx --conditions=@mamba2/source bench/gpu-linear.ts [--dawn FLAG] [--variants …] [--precision f16]
 * [--json] [ROWS,INPUTS,OUTPUTS …]`. Numbers of every product are checked against float64 before it is timed.
 */
import { toFloat64 } from '@mamba2/core';
import type { WebGpuBackend } from '@mamba2/ssd-gpu';
import { deviceTime, noise, relativeError } from './gpu/measure.js';
import { halves } from './gpu/network.js';
import { benchOptions, report } from './gpu/options.js';

/** Rounding x to f16 loses 2⁻¹² of each number at most. */
const tolerance = (precision: string) => (precision === 'f16' ? 1e-3 : 1e-5);

/** Some rows of the product, in float64: the first, the last, and some in between. */
function sample(rows: number, inputs: number, x: Float32Array, w: Float64Array, outputs: number) {
  const places: number[] = [];
  const want: number[] = [];
  for (let i = 0; i < 400; i++) {
    const row = i === 0 ? rows - 1 : (i * 37) % rows;
    const column = i < 2 ? outputs - 1 : (i * 1009) % outputs;
    let sum = 0;
    for (let k = 0; k < inputs; k++) sum += x[row * inputs + k]! * w[column * inputs + k]!;
    places.push(row * outputs + column);
    want.push(sum);
  }
  return { places, want };
}

async function measured(gpu: WebGpuBackend, rows: number, inputs: number, outputs: number, most: number) {
  const matrix = halves(outputs, inputs);
  const weight = gpu.weight(matrix);
  const numbers = noise(rows * inputs);
  const x = gpu.upload(numbers, [1, rows, inputs]);
  const y = gpu.linear(x, weight);
  const { places, want } = sample(rows, inputs, numbers, toFloat64(matrix), outputs);
  const got = await gpu.read(y);
  gpu.free(y);
  const error = relativeError(
    places.map((at) => got[at]!),
    want,
  );
  if (!(error <= most)) throw new Error(`${rows} × ${inputs} × ${outputs} is off by ${error}: nothing to time`);
  const { micros, spread } = await deviceTime(gpu, () => gpu.linear(x, weight), {
    repeats: rows > 64 ? 10 : 50,
  });
  gpu.free(weight, x);
  return {
    rows,
    inputs,
    outputs,
    variant: gpu.describe().operations['linear']!.variant,
    micros: Number(micros.toFixed(2)),
    spread: Number(spread.toFixed(2)),
    'TFLOP/s': Number(((2 * rows * inputs * outputs) / micros / 1e6).toPrecision(3)),
    'TB/s': Number(((2 * inputs * outputs + 4 * rows * (inputs + outputs)) / micros / 1e6).toPrecision(3)),
    error: Number(error.toExponential(1)),
  };
}

const options = await benchOptions();
const { backend, gpu, positionals, precision } = options;
const shapes =
  positionals.length > 0
    ? positionals
    : [1, 16, 1024].flatMap((rows) => [
        `${rows},768,3352`,
        `${rows},1536,768`,
        `${rows},2560,10576`,
        `${rows},5120,2560`,
      ]);
const table: Record<string, string | number>[] = [];
for (const shape of shapes) {
  const [rows = 0, inputs = 0, outputs = 0] = shape.split(',').map(Number);
  table.push(await measured(gpu, rows, inputs, outputs, tolerance(precision)));
}
report(options, table);
backend.dispose();
