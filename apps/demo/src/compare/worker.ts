/** The benchmark's thread: it opens the device, runs the plan, and says what it finds. The page ends it by ending the worker. */

import type { Backend } from '@mamba2/core';
import { failureFrom } from '../model/failure.js';
import type { Failure } from '../model/protocol.js';
import { type Plan, type Report, runPlan } from './benchmark.js';

export type FromBenchmark =
  { opened: { device: string; notes: readonly string[] } } | { report: Report } | { done: true } | { failure: Failure };

const post = (message: FromBenchmark) => globalThis.postMessage(message, { transfer: [] });

globalThis.addEventListener('message', ({ data }: MessageEvent<Plan>) => void perform(data));

async function perform(plan: Plan): Promise<void> {
  try {
    const backend = await open(plan.device);
    const { device, notes } = backend?.describe() ?? { device: 'JavaScript', notes: [] };
    post({ opened: { device, notes } });
    await runPlan(plan, backend, (report) => post({ report }));
    backend?.dispose();
    post({ done: true });
  } catch (error) {
    post({ failure: failureFrom(error) });
  }
}

async function open(device: Plan['device']): Promise<Backend | undefined> {
  if (device === 'loops') return undefined;
  if (device === 'wasm') {
    const { wasm } = await import('@mamba2/ssd-cpu');
    return (await wasm()) as Backend;
  }
  const { webgpu } = await import('@mamba2/ssd-gpu');
  return (await webgpu()) as Backend;
}
