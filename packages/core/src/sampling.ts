import { expectNumber, refuseUnknown } from './arguments.js';
import { logSumExp } from './functions.js';

/** How the next token is drawn; the defaults change nothing. Applied in this order, as transformers' processors are. */
export interface SamplingParams {
  /** Logits of ids seen before are divided (if > 0) or multiplied (if < 0) by it; 1 is off. */
  repetitionPenalty: number;
  /** Logits are divided by it; 0 picks the most likely id. */
  temperature: number;
  /** Only the k most likely ids remain (all that tie with the k-th); 0 is off. */
  topK: number;
  /** Of what remains, the fewest most likely ids whose probabilities sum to at least p (all that tie with the last); 1 is off. */
  topP: number;
  /** Of what remains, ids at least this fraction as likely as the most likely one; 0 is off. */
  minP: number;
}

/** Completes and checks sampling parameters. @throws ArgumentError naming the parameter, what came and the range; for unknown ones, too. */
export function samplingParams(given: { [K in keyof SamplingParams]?: number | undefined } = {}): SamplingParams {
  refuseUnknown('sampling', given, ['repetitionPenalty', 'temperature', 'topK', 'topP', 'minP']);
  const { repetitionPenalty = 1, temperature = 1, topK = 0, topP = 1, minP = 0 } = given;
  return {
    repetitionPenalty: expectNumber('repetitionPenalty', repetitionPenalty, { min: 1e-3, max: 1e3 }),
    temperature: expectNumber('temperature', temperature, { min: 0, max: 1e3 }),
    topK: expectNumber('topK', topK, { min: 0, max: 2 ** 24, integer: true }),
    topP: expectNumber('topP', topP, { above: 0, max: 1 }),
    minP: expectNumber('minP', minP, { min: 0, max: 1 }),
  };
}

/** A drawn id and its log-probability under the logits as the model gave them. */
export interface Draw {
  /** The id. */
  token: number;
  /** Its natural-log probability under the logits, before any sampling option. */
  logProb: number;
}

/**
 * Draws one id: the definition that every backend's `sample` implements.
 * @param logits (V)
 * @param u uniform in [0, 1): the id is the first, in id order, at which the cumulative probability exceeds u
 * @param seen nonzero where an id occurred before
 * @param vocab ids from here on are never drawn, and have no share in the probability
 * @throws ArgumentError when `vocab` is not in 1 … V
 *
 * NaN logits count as −∞; ties for the most likely id go to the lowest. Where no logit is above −∞ the id is 0 and its log-probability NaN.
 * O(V log V).
 */
export function sampleToken(
  logits: Float64Array | Float32Array,
  params: SamplingParams,
  u: number,
  seen?: ArrayLike<number>,
  vocab = logits.length,
): Draw {
  expectNumber('vocab', vocab, { min: 1, max: logits.length, integer: true });
  const raw = Float64Array.from(logits.subarray(0, vocab));
  for (let id = 0; id < vocab; id++) if (Number.isNaN(raw[id])) raw[id] = -Infinity;
  const token = pick(penalised(raw, params.repetitionPenalty, seen), params, u);
  return { token, logProb: raw[token]! - logSumExp(raw) };
}

/** Logits of ids seen before moved towards −∞ by the penalty. */
function penalised(raw: Float64Array, penalty: number, seen?: ArrayLike<number>): Float64Array {
  if (penalty === 1 || !seen) return raw;
  return raw.map((v, id) => (seen[id] ? (v > 0 ? v / penalty : v * penalty) : v));
}

/** The id among those the filters leave at which the cumulative probability exceeds u. */
function pick(logits: Float64Array, { temperature, topK, topP, minP }: SamplingParams, u: number): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  if (temperature === 0 || !Number.isFinite(logits[best]!)) return best;

  // Unnormalised probabilities, the largest being 1.
  const top = logits[best]!;
  const weights = logits.map((v) => Math.exp((v - top) / temperature));
  let threshold = minP;
  if (topK > 0 || topP < 1) {
    const descending = Float64Array.from(weights).sort().reverse();
    const k = topK > 0 ? Math.min(topK, descending.length) : descending.length;
    threshold = Math.max(threshold, descending[k - 1]!);
    if (topP < 1) threshold = Math.max(threshold, nucleusThreshold(descending, descending[k - 1]!, topP));
  }
  return inverseCdf(weights, threshold, u, best);
}

/** The smallest weight of the nucleus: the shortest prefix of the (descending) weights ≥ least with at least `topP` of their sum. */
function nucleusThreshold(descending: Float64Array, least: number, topP: number): number {
  let total = 0;
  for (const w of descending) if (w >= least) total += w;
  let sum = 0;
  for (const w of descending) if ((sum += w) >= topP * total) return w;
  return least;
}

/** The first id whose cumulative share of the weights ≥ threshold exceeds u. */
function inverseCdf(weights: Float64Array, threshold: number, u: number, best: number): number {
  let total = 0;
  for (const w of weights) if (w >= threshold) total += w;
  let sum = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id]! < threshold) continue;
    sum += weights[id]!;
    if (sum > u * total) return id;
  }
  return best;
}
