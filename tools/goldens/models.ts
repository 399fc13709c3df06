import { join } from 'node:path';
import { type Backend, hostTensor, type HostTensor, logSumExp, stored } from '@mamba2/core';
import { Mamba2 } from '@mamba2/model';
import { type CaseResult, GoldenFile, type Manifest, type Quantity } from './manifest.js';
import { float32, numbers } from './sequences.js';

/** How many of a golden continuation's tokens are its prompt. */
const PROMPT = 8;

/** A model case: logits and loss of a full pass, and a greedy continuation token by token. */
export async function checkModel(
  folder: string,
  entry: Manifest['models'][number],
  backend: Backend,
  tolerance: number,
): Promise<CaseResult> {
  const golden = await GoldenFile.read(join(folder, entry.dir, 'golden.safetensors'));
  const model = await Mamba2.load(join(folder, entry.dir), { backend });
  try {
    const ids = golden.tensor('input_ids');
    const logits = await allLogits(model, ids);
    const loss = meanLoss(logits, ids);
    const truth = Array.from(golden.tensor('greedy').data);
    const greedy = await greedyTokens(model, truth, tolerance);
    const quantities: Quantity[] = [
      numbers('logits', logits, golden.tensor('logits'), tolerance),
      numbers('loss', hostTensor([loss]), golden.tensor('loss'), tolerance),
      numbers('loss in the manifest', hostTensor([loss]), hostTensor([entry.loss]), tolerance),
      greedy.quantity,
    ];
    return {
      quantities,
      skipped: golden.gradients,
      computed: {
        logits: float32(logits),
        loss: float32(hostTensor([loss])),
        greedy: stored(Int32Array.from(greedy.ids), [1, greedy.ids.length]),
      },
    };
  } finally {
    model.dispose();
  }
}

/** Logits (b, l, V) of ids (b, l). */
async function allLogits(model: Mamba2, ids: HostTensor): Promise<HostTensor> {
  const [b = 0, l = 0] = ids.shape;
  const V = model.config.paddedVocabSize;
  const out = new Float64Array(b * l * V);
  for (let i = 0; i < b; i++) {
    const { data } = await model.forward(Array.from(ids.data).slice(i * l, (i + 1) * l));
    out.set(data, i * l * V);
  }
  return hostTensor(out, [b, l, V]);
}

/** Mean cross-entropy of the next tokens, in nats. */
function meanLoss(logits: HostTensor, ids: HostTensor): number {
  const [b = 0, l = 0, V = 0] = logits.shape;
  const values = logits.data as Float64Array;
  let sum = 0;
  for (let i = 0; i < b; i++) {
    for (let t = 0; t + 1 < l; t++) {
      const row = values.subarray((i * l + t) * V, (i * l + t + 1) * V);
      sum += logSumExp(row) - row[ids.data[i * l + t + 1]!]!;
    }
  }
  return sum / (b * (l - 1));
}

/**
 * Generates greedily after the truth's prompt. Where a token differs, the two candidates' logits must lie within the tolerance of each
 * other; then it goes on from the truth's token.
 */
async function greedyTokens(
  model: Mamba2,
  truth: number[],
  tolerance: number,
): Promise<{ ids: number[]; quantity: Quantity }> {
  const ids = truth.slice(0, PROMPT);
  let ties = 0;
  while (ids.length < truth.length) {
    const options = { temperature: 0, minP: 0, maxTokens: truth.length - ids.length, ignoreEos: true };
    const position = ids.length;
    const generated: number[] = [];
    for await (const { id } of model.generate(ids, options)) if (id !== undefined) generated.push(id);
    const wrong = generated.findIndex((id, i) => id !== truth[position + i]);
    if (wrong < 0) {
      ids.push(...generated);
      break;
    }
    ids.push(...generated.slice(0, wrong));
    const own = generated[wrong]!;
    const wanted = truth[ids.length]!;
    const { data } = await model.forward(ids);
    const last = data.subarray(data.length - model.config.paddedVocabSize);
    const gap = Math.abs(last[own]! - last[wanted]!);
    const scale = Math.sqrt(Array.from(last).reduce((sum, v) => sum + v * v, 0) / last.length);
    if (!(gap <= tolerance * scale)) {
      const note = `token ${ids.length} is ${own}, the truth's is ${wanted}; their logits differ by ${gap.toPrecision(3)}`;
      return { ids: [...ids, ...generated.slice(wrong)], quantity: { name: 'greedy', ok: false, note } };
    }
    ties++;
    ids.push(wanted);
  }
  const note = `${truth.length - PROMPT} tokens equal${ties ? `, ${ties} of them ties` : ''}`;
  return { ids, quantity: { name: 'greedy', ok: true, note } };
}
