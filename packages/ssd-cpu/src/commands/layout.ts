import { meeting } from '../device/addresses.js';

/**
 * The commands that the kernels understand: one record per operation, of 32-bit words, fields in this order. The encoder below and the
 * kernels' view of the records (assembly/commands.ts, generated) both come from this table.
 *
 * - `u32`: a number, an address in bytes (0: absent), or a distance in bytes
 * - `f32`: a number
 * - `rows`: rows of neighbouring elements, numbered over two axes: address, distance of the outer axis, of the inner one, inner count
 * - `steps`: a sequence (b, l, …): address, distance from row to row, from position to position
 * - `heads`: (b, l, h, …) or a state (slots, h, p, …): address and three distances
 */
export type FieldKind = 'u32' | 'f32' | 'rows' | 'steps' | 'heads';

/** What follows a field's name in the kernels' record, word by word. */
export const fieldWords: Readonly<Record<FieldKind, readonly string[]>> = {
  u32: [''],
  f32: [''],
  rows: ['', 'Outer', 'Inner', 'Count'],
  steps: ['', 'Batch', 'Step'],
  heads: ['', 'Batch', 'Step', 'Head'],
};

/** How the numbers of a matrix are stored; see assembly/formats.ts. */
export const formats = { f32: 0, f16: 1, bf16: 2, q8: 3, q4: 4 } as const;
export type Format = keyof typeof formats;

const slots = { rows: 'u32', lengths: 'u32', slots: 'u32' } as const;

export const layouts = {
  /** to[0 … bytes) = 0 */
  zero: { to: 'u32', bytes: 'u32' },
  /** `count` rows of `bytes` bytes, from view to view */
  copy: { from: 'rows', to: 'rows', count: 'u32', bytes: 'u32' },
  /** Rows of a stored matrix into blocks of 32 to a scale */
  quantise: { from: 'u32', fromFormat: 'u32', to: 'u32', scales: 'u32', format: 'u32', m: 'u32', k: 'u32' },
  /** Rows of q8 as checkpoints have them to where they lie in memory: numbers, or scales */
  arrange: { from: 'u32', to: 'u32', m: 'u32', k: 'u32', scales: 'u32' },
  embed: {
    ids: 'rows',
    count: 'u32',
    table: 'u32',
    scales: 'u32',
    format: 'u32',
    m: 'u32',
    k: 'u32',
    out: 'u32',
    scratch: 'u32',
    scratchEach: 'u32',
  },
  linear: {
    x: 'rows',
    count: 'u32',
    weight: 'u32',
    scales: 'u32',
    format: 'u32',
    m: 'u32',
    k: 'u32',
    bias: 'u32',
    residual: 'rows',
    out: 'u32',
    /** One row: the vector in blocks; more: `scratchEach` bytes for each thread */
    scratch: 'u32',
    scratchEach: 'u32',
  },
  rmsNorm: {
    x: 'rows',
    gate: 'rows',
    weight: 'u32',
    out: 'u32',
    count: 'u32',
    d: 'u32',
    groups: 'u32',
    eps: 'f32',
    gateAfter: 'u32',
  },
  layerNorm: { x: 'rows', weight: 'u32', bias: 'u32', out: 'u32', count: 'u32', d: 'u32', eps: 'f32' },
  /** a + b, or a ∘ silu(b) */
  elementwise: { a: 'rows', b: 'rows', out: 'u32', count: 'u32', d: 'u32', gate: 'u32' },
  last: { x: 'steps', lengths: 'u32', out: 'u32', b: 'u32', l: 'u32', d: 'u32' },
  conv: {
    x: 'steps',
    weight: 'u32',
    bias: 'u32',
    state: 'steps',
    stateOut: 'steps',
    ...slots,
    out: 'u32',
    b: 'u32',
    l: 'u32',
    k: 'u32',
    width: 'u32',
    silu: 'u32',
    /** The taps with channels side by side, (width, k rounded up to 4) */
    taps: 'u32',
  },
  ssd: {
    x: 'heads',
    z: 'heads',
    dt: 'steps',
    B: 'heads',
    C: 'heads',
    A: 'u32',
    D: 'u32',
    DHead: 'u32',
    DEach: 'u32',
    dtBias: 'u32',
    softplus: 'u32',
    dtMin: 'f32',
    dtMax: 'f32',
    seqIdx: 'steps',
    state: 'heads',
    stateOut: 'heads',
    ...slots,
    out: 'u32',
    b: 'u32',
    l: 'u32',
    h: 'u32',
    p: 'u32',
    g: 'u32',
    n: 'u32',
    /** C Bᵀ and Bᵀ of every chunk; 0 to go step by step */
    products: 'u32',
    scratch: 'u32',
    scratchEach: 'u32',
  },
  scan: {
    u: 'steps',
    z: 'steps',
    dt: 'steps',
    B: 'steps',
    C: 'steps',
    A: 'u32',
    ARow: 'u32',
    D: 'u32',
    dtBias: 'u32',
    softplus: 'u32',
    state: 'steps',
    stateOut: 'steps',
    ...slots,
    out: 'u32',
    b: 'u32',
    l: 'u32',
    d: 'u32',
    n: 'u32',
    /** The running states (d, n rounded up to 4) and A in the same layout */
    running: 'u32',
    scratch: 'u32',
    scratchEach: 'u32',
  },
  attention: {
    q: 'heads',
    k: 'heads',
    v: 'heads',
    keys: 'heads',
    values: 'heads',
    length: 'u32',
    ...slots,
    table: 'u32',
    tableRow: 'u32',
    dim: 'u32',
    interleaved: 'u32',
    scale: 'f32',
    out: 'u32',
    b: 'u32',
    l: 'u32',
    h: 'u32',
    g: 'u32',
    p: 'u32',
    capacity: 'u32',
    scratch: 'u32',
    scratchEach: 'u32',
  },
  logProbs: { logits: 'rows', ids: 'rows', out: 'u32', count: 'u32', V: 'u32' },
  observe: { ids: 'steps', seen: 'u32', seenSlot: 'u32', ...slots, b: 'u32', l: 'u32', V: 'u32' },
  sample: {
    logits: 'rows',
    params: 'u32',
    paramsSlot: 'u32',
    counter: 'u32',
    counterSlot: 'u32',
    seen: 'u32',
    seenSlot: 'u32',
    stops: 'u32',
    stopsSlot: 'u32',
    active: 'u32',
    token: 'u32',
    logProb: 'u32',
    rows: 'u32',
    slots: 'u32',
    out: 'u32',
    b: 'u32',
    vocab: 'u32',
    e: 'u32',
    scratch: 'u32',
    scratchEach: 'u32',
  },
} as const satisfies Record<string, Record<string, FieldKind>>;

export type Operation = keyof typeof layouts;

/** Every operation's number in a command's first word. */
export const operationNames = Object.keys(layouts) as Operation[];

/**
 * The kernels' view of the records: one unmanaged class per operation, its fields at the places where the encoder puts them; and where the words
 * lie by which threads meet.
 */
export function kernelSource(): string {
  const lines = [
    '// Generated from src/commands/layout.ts: the records of words that the backend writes and these kernels read.',
    '',
  ];
  operationNames.forEach((name, i) => lines.push(`export const ${name.toUpperCase()}: u32 = ${i};`));
  for (const [name, number] of Object.entries(formats))
    lines.push(`export const FORMAT_${name.toUpperCase()}: u32 = ${number};`);
  for (const [name, address] of Object.entries(meeting)) lines.push(`export const ${name}: u32 = ${address};`);
  for (const name of operationNames) {
    lines.push('', '@unmanaged', `export class ${name[0]!.toUpperCase()}${name.slice(1)}Command {`, '  header: u32;');
    for (const [field, kind] of Object.entries(layouts[name]) as [string, FieldKind][]) {
      for (const word of fieldWords[kind]) lines.push(`  ${field}${word}: ${kind === 'f32' ? 'f32' : 'u32'};`);
    }
    lines.push('}');
  }
  return `${lines.join('\n')}\n`;
}
