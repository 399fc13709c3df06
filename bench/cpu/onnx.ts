import { n, p, type RandomModel, width } from './network.ts';
import { block, float, joined, type Message, number } from './protobuf.ts';

/** The field numbers below are those of onnx.proto3. */
type Attribute = string | number | readonly number[];

const FLOAT = 1;
const INT64 = 7;

/** An ONNX graph under construction; values are named by what makes them. */
class Graph {
  readonly #nodes: Message[] = [];
  readonly #initializers: Message[] = [];
  readonly #inputs: Message[] = [];
  readonly #outputs: Message[] = [];
  #count = 0;

  /** A whole-number attribute is an int unless its name is in `floats`. */
  node(
    op: string,
    inputs: readonly string[],
    options: {
      domain?: string;
      attributes?: Record<string, Attribute>;
      floats?: Record<string, number>;
      outputs?: number;
    } = {},
  ): string[] {
    const { domain = '', attributes = {}, floats = {}, outputs = 1 } = options;
    const names = Array.from({ length: outputs }, () => `v${this.#count++}`);
    const fields = [
      ...inputs.flatMap((name) => block(1, name)),
      ...names.flatMap((name) => block(2, name)),
      ...block(4, op),
      ...Object.entries(attributes).flatMap(([name, value]) => block(5, attribute(name, value))),
      ...Object.entries(floats).flatMap(([name, value]) =>
        block(5, [...block(1, name), ...float(2, value), ...number(20, 1)]),
      ),
      ...block(7, domain),
    ];
    this.#nodes.push(block(1, fields));
    return names;
  }

  one(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.node(op, inputs, { attributes })[0]!;
  }

  tensor(values: Float32Array, dims: readonly number[]): string {
    return this.#initializer(FLOAT, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), dims);
  }

  ints(values: readonly number[]): string {
    return this.#initializer(INT64, new Uint8Array(BigInt64Array.from(values, BigInt).buffer), [values.length]);
  }

  #initializer(type: number, bytes: Uint8Array, dims: readonly number[]): string {
    const name = `w${this.#count++}`;
    this.#initializers.push(
      block(5, [...dims.flatMap((d) => number(1, d)), ...number(2, type), ...block(8, name), ...block(9, bytes)]),
    );
    return name;
  }

  input(name: string, type: number, dims: readonly (number | string)[]): string {
    this.#inputs.push(block(11, valueInfo(name, type, dims)));
    return name;
  }

  output(value: string, name: string, dims: readonly (number | string)[]): void {
    this.#nodes.push(block(1, [...block(1, value), ...block(2, name), ...block(4, 'Identity')]));
    this.#outputs.push(block(12, valueInfo(name, FLOAT, dims)));
  }

  bytes(): Uint8Array {
    const graph = [
      ...this.#nodes.flat(),
      ...block(2, 'mamba2'),
      ...this.#initializers.flat(),
      ...this.#inputs.flat(),
      ...this.#outputs.flat(),
    ];
    const opset = (domain: string, version: number) => block(8, [...block(1, domain), ...number(2, version)]);
    return joined([...number(1, 9), ...block(7, graph), ...opset('', 20), ...opset('com.microsoft', 1)]);
  }
}

function attribute(name: string, value: Attribute): Message {
  if (typeof value === 'string') return [...block(1, name), ...block(4, value), ...number(20, 3)];
  if (typeof value === 'number') return [...block(1, name), ...number(3, value), ...number(20, 2)];
  return [...block(1, name), ...value.flatMap((v) => number(8, v)), ...number(20, 7)];
}

function valueInfo(name: string, type: number, dims: readonly (number | string)[]): Message {
  const shape = dims.flatMap((d) => block(1, typeof d === 'number' ? number(1, d) : block(2, d)));
  return [...block(1, name), ...block(2, block(1, [...number(1, type), ...block(2, shape)]))];
}

const contrib = 'com.microsoft';

/** `S ← exp(Δ A) S + B (Δ x)ᵀ`, `y = C S`, as the contrib operator computes it. */
function attention(
  g: Graph,
  C: string,
  B: string,
  x: string,
  state: string,
  decay: string,
  heads: number,
): [string, string] {
  const attributes = { update_rule: 'gated', q_num_heads: 1, kv_num_heads: heads };
  return g.node('LinearAttention', [C, B, x, state, decay], {
    domain: contrib,
    attributes,
    floats: { scale: 1 },
    outputs: 2,
  }) as [string, string];
}

/** The SSD product alone: x already times Δ, decays as logarithms. */
export function ssdGraph(l: number, h: number): Uint8Array {
  const g = new Graph();
  const C = g.input('C', FLOAT, [1, l, n]);
  const B = g.input('B', FLOAT, [1, l, n]);
  const x = g.input('x', FLOAT, [1, l, h * p]);
  const state = g.input('state', FLOAT, [1, h, n, p]);
  const decay = g.input('decay', FLOAT, [1, l, h]);
  const [y, after] = attention(g, C, B, x, state, decay, h);
  g.output(y, 'y', [1, l, h * p]);
  g.output(after, 'after', [1, h, n, p]);
  return g.bytes();
}

/** A matrix (m, k) as (k, m). */
function transposed(values: Float32Array, m: number, k: number): Float32Array {
  const out = new Float32Array(m * k);
  for (let i = 0; i < m; i++) for (let j = 0; j < k; j++) out[j * m + i] = values[i * k + j]!;
  return out;
}

/** The whole language model: ids and states in, the last position's logits and the states behind it out. */
export function modelGraph(model: RandomModel): Uint8Array {
  const g = new Graph();
  const { dModel, dInner, heads: h, vocab } = model;
  const silu = (v: string) => g.one('Mul', [v, g.one('Sigmoid', [v])]);
  const norm = (v: string, weight: Float32Array) =>
    g.node('SimplifiedLayerNormalization', [v, g.tensor(weight, [weight.length])], { floats: { epsilon: 1e-5 } })[0]!;
  const ids = g.input('ids', INT64, [1, 'l']);
  let u = g.one('Gather', [g.tensor(model.embedding, [vocab, dModel]), ids], { axis: 0 });
  const channels = dInner + 2 * n;
  model.layer.forEach((w, i) => {
    const conv = g.input(`conv${i}`, FLOAT, [1, channels, width - 1]);
    const ssm = g.input(`ssm${i}`, FLOAT, [1, h, n, p]);
    const m = 2 * dInner + 2 * n + h;
    const projected = g.one('MatMul', [norm(u, w.norm), g.tensor(transposed(w.inProj, m, dModel), [dModel, m])]);
    const [z, xBC, dt] = g.node('Split', [projected, g.ints([dInner, channels, h])], {
      attributes: { axis: 2 },
      outputs: 3,
    }) as [string, string, string];
    const rows = g.one('Transpose', [xBC], { perm: [0, 2, 1] });
    const [convolved, convAfter] = g.node(
      'CausalConvWithState',
      [rows, g.tensor(w.conv, [channels, 1, width]), g.tensor(w.convBias, [channels]), conv],
      { domain: contrib, attributes: { activation: 'silu' }, outputs: 2 },
    ) as [string, string];
    const back = g.one('Transpose', [convolved], { perm: [0, 2, 1] });
    const [x, B, C] = g.node('Split', [back, g.ints([dInner, n, n])], { attributes: { axis: 2 }, outputs: 3 }) as [
      string,
      string,
      string,
    ];
    const delta = g.one('Softplus', [g.one('Add', [dt, g.tensor(w.dtBias, [h])])]);
    const decay = g.one('Mul', [delta, g.tensor(w.A, [h])]);
    const perHead = g.one('Reshape', [x, g.ints([0, 0, h, p])]);
    const scaled = g.one('Mul', [perHead, g.one('Unsqueeze', [delta, g.ints([3])])]);
    const flat = g.one('Reshape', [scaled, g.ints([0, 0, dInner])]);
    const [y, ssmAfter] = attention(g, C, B, flat, ssm, decay, h);
    const skip = g.one('Reshape', [g.one('Mul', [perHead, g.tensor(w.D, [h, 1])]), g.ints([0, 0, dInner])]);
    const gated = g.one('Mul', [g.one('Add', [y, skip]), silu(z)]);
    const out = g.one('MatMul', [
      norm(gated, w.gatedNorm),
      g.tensor(transposed(w.outProj, dModel, dInner), [dInner, dModel]),
    ]);
    u = g.one('Add', [u, out]);
    g.output(convAfter, `convAfter${i}`, [1, channels, width - 1]);
    g.output(ssmAfter, `ssmAfter${i}`, [1, h, n, p]);
  });
  const last = g.one('Gather', [u, g.ints([-1])], { axis: 1 });
  const head = g.tensor(transposed(model.embedding, vocab, dModel), [dModel, vocab]);
  g.output(g.one('MatMul', [norm(last, model.norm), head]), 'logits', [1, 1, vocab]);
  return g.bytes();
}
