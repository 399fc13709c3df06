import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ssdGraph, modelGraph } from './onnx.ts';
import { n, p, type RandomModel, width } from './network.ts';

/** As much of onnxruntime-web's interface as is used here; the package is installed on demand, see peers/package.json. */
interface OrtTensor {
  readonly data: Float32Array;
}
interface Ort {
  readonly env: { readonly wasm: { numThreads: number }; logLevel: string };
  readonly Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>> }>;
  };
}

/** Where onnxruntime-web computes. */
export type Provider = 'wasm' | 'webgpu';

/** onnxruntime-web. @throws if it is not installed */
export async function loadOnnxRuntime(threads: number, on: Provider = 'wasm'): Promise<Ort> {
  const require = createRequire(new URL('../peers/package.json', import.meta.url));
  const entry = require.resolve('onnxruntime-web');
  // Resolved for Node its entry has no WebGPU; the one for browsers lies beside it.
  const file = on === 'wasm' ? entry : join(dirname(entry), 'ort.webgpu.bundle.min.mjs');
  const ort = (await import(pathToFileURL(file).href)) as Ort & { default?: Ort };
  const module = ort.default ?? ort;
  module.env.wasm.numThreads = threads;
  module.env.logLevel = 'error';
  return module;
}

/** The same model in onnxruntime. */
export async function theirs(ort: Ort, model: RandomModel, on: Provider = 'wasm') {
  const session = await ort.InferenceSession.create(modelGraph(model), { executionProviders: [on] });
  const channels = model.dInner + 2 * n;
  let states: Record<string, OrtTensor> = {};
  const reset = () => {
    states = {};
    model.layer.forEach((_, i) => {
      states[`conv${i}`] = new ort.Tensor('float32', new Float32Array(channels * (width - 1)), [
        1,
        channels,
        width - 1,
      ]);
      states[`ssm${i}`] = new ort.Tensor('float32', new Float32Array(model.heads * n * p), [1, model.heads, n, p]);
    });
  };
  reset();
  async function prefill(ids: Int32Array): Promise<Float32Array> {
    const input = new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
    const out = await session.run({ ids: input, ...states });
    for (const i of model.layer.keys()) {
      states[`conv${i}`] = out[`convAfter${i}`]!;
      states[`ssm${i}`] = out[`ssmAfter${i}`]!;
    }
    return out['logits']!.data;
  }
  return { prefill, step: (id: number) => prefill(Int32Array.of(id)), reset };
}

/** The SSD product alone in onnxruntime. */
export async function theirSsd(ort: Ort, l: number, h: number, on: Provider = 'wasm') {
  const session = await ort.InferenceSession.create(ssdGraph(l, h), { executionProviders: [on] });
  return async (inputs: Record<'C' | 'B' | 'x' | 'state' | 'decay', Float32Array>) => {
    const dims = { C: [1, l, n], B: [1, l, n], x: [1, l, h * p], state: [1, h, n, p], decay: [1, l, h] } as const;
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, values]) => [
        name,
        new ort.Tensor('float32', values, dims[name as keyof typeof dims]),
      ]),
    );
    return (await session.run(feeds))['y']!.data;
  };
}
