import { ArgumentError } from '@mamba2/core';
import { afterEach, describe, expect, inject, test, vi } from 'vitest';
import { readGoldens } from '../../../fixtures/read.ts';
import { backendNames, openBackend } from '../src/index.js';
import { idsOf, loadTiny } from './support/models.js';

afterEach(() => vi.unstubAllEnvs());

test('backends go by name', async () => {
  expect(backendNames).toEqual(['reference', 'wasm', 'webgpu']);
  await expect(openBackend('gpu')).rejects.toThrow(ArgumentError);
  await expect(openBackend('gpu')).rejects.toThrow('given: "gpu"; expected: reference, wasm, webgpu');
});

test('without a name the fastest is taken, and says why', async () => {
  const backend = await openBackend();
  const [note] = backend.describe().notes;
  if (backend.name === 'webgpu') expect(note).toBe('webgpu by default: there is a GPU');
  else
    expect(note).toMatch(/^wasm by default: (there is no GPU: .+|no GPU was found|WebGPU in Node needs the package)/);
  expect([...(await backend.read(backend.add(backend.upload([1]), backend.upload([2]))))]).toEqual([3]);
  backend.dispose();
});

// By name the driver is the machine's choice; in a test it is the first of the software drivers.
describe.each(inject('gpuDrivers').slice(0, 1))('webgpu by name, on %s', () => {
  test('continues greedily as the truth does', async () => {
    vi.stubEnv('VK_ICD_FILENAMES', process.env['VK_ICD_FILENAMES']!.split(':')[0]!);
    const truth = Array.from(readGoldens('models/hf_mamba2_tiny/golden.safetensors')['greedy']!.values);
    const tiny = await loadTiny('hf_mamba2_tiny', { backend: 'webgpu' });
    const ids = await idsOf(tiny, truth.slice(0, 8), { temperature: 0, maxTokens: truth.length - 8, ignoreEos: true });
    tiny.dispose();
    expect(ids).toEqual(truth.slice(8));
  });
});
