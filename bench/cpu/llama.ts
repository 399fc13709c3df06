import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeGguf } from './gguf.ts';
import type { RandomModel } from './network.ts';

/** As much of node-llama-cpp's interface as is used here; the package is installed on demand, see peers/package.json. */
interface Evaluated {
  readonly next: { readonly probabilities?: Map<number, number> };
}
interface Sequence {
  controlledEvaluate(input: readonly (number | readonly [number, object])[]): Promise<(Evaluated | undefined)[]>;
  clearHistory(): Promise<void>;
}
interface Context {
  getSequence(): Sequence;
  dispose(): Promise<void>;
}
interface NodeLlama {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{ createContext(options: object): Promise<Context>; dispose(): Promise<void> }>;
  }>;
}

/** The same model in llama.cpp, native code, through node-llama-cpp. @throws if it is not installed */
export async function llamaCpp(model: RandomModel, matrices: 'f32' | 'q8', threads: number) {
  const require = createRequire(new URL('../peers/package.json', import.meta.url));
  const { getLlama } = (await import(pathToFileURL(require.resolve('node-llama-cpp')).href)) as NodeLlama;
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: threads });
  const folder = mkdtempSync(join(tmpdir(), 'gguf-'));
  writeGguf(join(folder, 'model.gguf'), model, matrices);
  const loaded = await llama.loadModel({ modelPath: join(folder, 'model.gguf') });
  const context = await loaded.createContext({ contextSize: 4096, batchSize: 512, threads, sequences: 1 });
  const sequence = context.getSequence();
  const last = (ids: Int32Array, what: object) =>
    sequence.controlledEvaluate(
      Array.from(ids, (id, i) => (i === ids.length - 1 ? ([id, { generateNext: what }] as const) : id)),
    );
  return {
    /** Probabilities of the next token. */
    async probabilities(ids: Int32Array): Promise<Float32Array> {
      const found = (await last(ids, { probabilities: true })).at(-1)!.next.probabilities!;
      return Float32Array.from({ length: model.vocab }, (_, id) => found.get(id) ?? 0);
    },
    async prefill(ids: Int32Array): Promise<void> {
      await sequence.clearHistory();
      await last(ids, { token: true, options: { temperature: 0 } });
    },
    async step(id: number): Promise<void> {
      await last(Int32Array.of(id), { token: true, options: { temperature: 0 } });
    },
    async dispose(): Promise<void> {
      await context.dispose();
      await loaded.dispose();
      rmSync(folder, { recursive: true });
    },
  };
}
