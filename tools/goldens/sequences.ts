import { join } from 'node:path';
import {
  type Backend,
  hostTensor,
  type HostTensor,
  selectiveScan,
  ssdChunked,
  type SsdInput,
  ssdQuadratic,
  ssdRecurrent,
  type Stored,
  stored,
  type Tensor,
} from '@mamba2/core';
import { compare } from './compare.js';
import { type CaseResult, GoldenFile, type Manifest, type Quantity } from './manifest.js';

/** Chunk lengths for the chunked form: shorter than, unequal to and longer than what the cases were made with. */
const CHUNKS = [7, 64, 256];

/** The SSD cases: on the backend, and with the reference also in each of core's forms. */
export async function checkSsd(
  folder: string,
  entry: Manifest['ssd'][number],
  backend: Backend,
  tolerance: number,
): Promise<CaseResult> {
  const golden = await GoldenFile.read(join(folder, entry.file));
  const [lo, hi] = entry.dt_limit;
  const input: SsdInput = {
    x: golden.tensor('x'),
    dt: golden.tensor('dt'),
    A: golden.tensor('A'),
    B: golden.tensor('B'),
    C: golden.tensor('C'),
    D: golden.optional('D'),
    z: golden.optional('z'),
    dt_bias: golden.optional('dt_bias'),
    initialStates: golden.optional('initial_states'),
    seqIdx: golden.optional('seq_idx'),
    dtSoftplus: entry.dt_softplus,
    dtLimit: [lo, hi ?? Infinity],
  };
  const [y, finalStates] = [golden.tensor('y'), golden.tensor('final_states')];
  const quantities: Quantity[] = [];
  const measure = (form: string, out: { y: HostTensor; finalStates: HostTensor }) => {
    quantities.push(
      numbers(`y (${form})`, out.y, y, tolerance),
      numbers(`final_states (${form})`, out.finalStates, finalStates, tolerance),
    );
  };
  const onBackend = await ssdOn(backend, input);
  measure(backend.name, onBackend);
  if (backend.name === 'reference') {
    measure('recurrent', ssdRecurrent(input));
    measure('quadratic', ssdQuadratic(input));
    for (const chunkLength of CHUNKS) measure(`chunked by ${chunkLength}`, ssdChunked(input, { chunkLength }));
  }
  return {
    quantities,
    skipped: golden.gradients,
    computed: { y: float32(onBackend.y), final_states: float32(onBackend.finalStates) },
  };
}

async function ssdOn(backend: Backend, input: SsdInput): Promise<{ y: HostTensor; finalStates: HostTensor }> {
  const up = <T extends HostTensor | undefined>(t: T) =>
    (t && backend.upload(t.data, t.shape)) as T extends undefined ? undefined : Tensor;
  const [b = 0, , h = 0, p = 0] = input.x.shape;
  const n = input.B.shape[3]!;
  const state = backend.zeros([b, h, p, n]);
  const out = backend.scope(() => {
    if (input.initialStates) backend.copy(up(input.initialStates)!, state);
    return backend.ssd(
      up(input.x),
      up(input.dt),
      up(input.B),
      up(input.C),
      { A: up(input.A), D: up(input.D), dt_bias: up(input.dt_bias) },
      state,
      { dtSoftplus: input.dtSoftplus, dtLimit: input.dtLimit, z: up(input.z), seqIdx: up(input.seqIdx) },
    );
  });
  const result = { y: await host(backend, out), finalStates: await host(backend, state) };
  backend.free(out, state);
  return result;
}

/** The selective-scan cases, whose files have the channel axis before the length. */
export async function checkSelectiveScan(
  folder: string,
  entry: Manifest['selective-scan'][number],
  backend: Backend,
  tolerance: number,
): Promise<CaseResult> {
  const golden = await GoldenFile.read(join(folder, entry.file));
  const lengthFirst = (name: string) => swapLast(golden.tensor(name));
  const series = {
    u: lengthFirst('u'),
    dt: lengthFirst('delta'),
    B: lengthFirst('B'),
    C: lengthFirst('C'),
    z: lengthFirst('z'),
  };
  const weights = { A: golden.tensor('A'), D: golden.tensor('D'), dt_bias: golden.tensor('delta_bias') };
  const [y, last] = [lengthFirst('y'), golden.tensor('last_state')];
  const up = (t: HostTensor) => backend.upload(t.data, t.shape);
  const state = backend.zeros(last.shape);
  const out = backend.scope(() =>
    backend.selectiveScan(
      up(series.u),
      up(series.dt),
      up(series.B),
      up(series.C),
      { A: up(weights.A), D: up(weights.D), dt_bias: up(weights.dt_bias) },
      state,
      { dtSoftplus: entry.delta_softplus, z: up(series.z) },
    ),
  );
  const onBackend = { y: await host(backend, out), finalStates: await host(backend, state) };
  backend.free(out, state);
  const quantities = [
    numbers(`y (${backend.name})`, onBackend.y, y, tolerance),
    numbers(`last_state (${backend.name})`, onBackend.finalStates, last, tolerance),
  ];
  if (backend.name === 'reference') {
    const plain = selectiveScan({ ...series, ...weights, dtSoftplus: entry.delta_softplus });
    quantities.push(
      numbers('y (sequential)', plain.y, y, tolerance),
      numbers('last_state (sequential)', plain.finalStates, last, tolerance),
    );
  }
  return {
    quantities,
    skipped: golden.gradients,
    computed: { y: float32(swapLast(onBackend.y)), last_state: float32(onBackend.finalStates) },
  };
}

/** A quantity that must agree to a relative L2 error. */
export function numbers(name: string, out: HostTensor, ref: HostTensor, tolerance: number): Quantity {
  const { relative, worst, at } = compare(out.data, ref.data, ref.shape);
  return { name, ok: relative <= tolerance, relative, worst, at, tolerance };
}

/** Values as the goldens store them. */
export function float32(t: HostTensor): Stored {
  return stored(Float32Array.from(t.data), t.shape);
}

async function host(backend: Backend, t: Tensor): Promise<HostTensor> {
  return hostTensor(await backend.read(t), t.shape);
}

/** (b, i, j) → (b, j, i), contiguous. */
function swapLast(t: HostTensor): HostTensor {
  const [b = 0, m = 0, n = 0] = t.shape;
  const out = new Float64Array(b * m * n);
  for (let i = 0; i < b; i++)
    for (let j = 0; j < m; j++) for (let k = 0; k < n; k++) out[(i * n + k) * m + j] = t.data[(i * m + j) * n + k]!;
  return hostTensor(out, [b, n, m]);
}
