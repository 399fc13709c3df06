/**
 * Numbers that say what structure the matrix of a head has, so that a script can look for heads worth seeing instead of a person. All of them
 * are about the sizes |M_ji|; where entries are compared, it is with entries as far below the diagonal, so that what decays with distance alone
 * does not count.
 */

import type { Dense } from '@mamba2/core';

/** The measures of one head on one text. */
export interface HeadMeasures {
  /** Mean distance j − i, weighted by |M_ji| with each row summing to 1: how far back the head looks. */
  readonly reach: number;
  /** The share of all weight that the tenth of the columns with the largest means has: whether a few tokens are what is remembered. */
  readonly focus: number;
  /** How much more weight lies on i in the same word as j, a word being cut into tokens, than on others as far away; 1 means no more. */
  readonly words: number;
  /**
   * The same for i where token i is token j once more. Rows and columns are scaled to equal means first: a token that is remembered by all that
   * come after it, its own kind among them, copies nothing.
   */
  readonly copying: number;
  /** How much more of the state is dropped, 1 − exp(Δ_t A), where a sentence begins than elsewhere; 1 means no more. */
  readonly reset: number;
}

/** A head that looks at its neighbours only has hardly any entries to compare: the search leaves out what reaches less far. */
export const LEAST_REACH = 3;

/** What the measures need to know of a text. */
export interface MeasuredText {
  readonly ids: readonly number[];
  /** the text of each token */
  readonly tokens: readonly string[];
}

/**
 * Positions of the first token of each sentence but the first: after a token that ends in `.`, `!`, `?` or `:`, quotation marks aside.
 * @param tokens the text of each token
 */
function sentenceStarts(tokens: readonly string[]): number[] {
  return tokens.flatMap((token, t) => (t + 1 < tokens.length && /[.!?:]["'”’]*\s*$/.test(token) ? [t + 1] : []));
}

/** For each token the number of its word: a letter after a letter goes on with it. */
function wordNumbers(tokens: readonly string[]): number[] {
  let word = 0;
  return tokens.map((token, t) => {
    if (!(t > 0 && /^\p{L}/u.test(token) && /\p{L}$/u.test(tokens[t - 1]!))) word++;
    return word;
  });
}

/** Measures the matrix of a head. O(l²). */
export function measureHead(M: Dense, decays: ArrayLike<number>, { ids, tokens }: MeasuredText): HeadMeasures {
  const l = ids.length;
  const words = wordNumbers(tokens);
  const even = evened(M.data, l);
  return {
    reach: reachOf(M.data, l),
    focus: focusOf(M.data, l),
    words: lift(M.data, l, (j, i) => words[i] === words[j]),
    copying: lift(even, l, (j, i) => ids[i] === ids[j]),
    reset: resetOf(decays, sentenceStarts(tokens), l),
  };
}

function reachOf(data: Float64Array, l: number): number {
  let sum = 0;
  for (let j = 0; j < l; j++) {
    let [weight, distance] = [0, 0];
    for (let i = 0; i <= j; i++) {
      const w = Math.abs(data[j * l + i]!);
      weight += w;
      distance += w * (j - i);
    }
    sum += weight > 0 ? distance / weight : 0;
  }
  return sum / l;
}

function focusOf(data: Float64Array, l: number): number {
  const means = Array.from({ length: l }, (_, i) => {
    let sum = 0;
    for (let j = i; j < l; j++) sum += Math.abs(data[j * l + i]!);
    return sum / (l - i);
  });
  const total = means.reduce((sum, mean) => sum + mean, 0);
  const top = means.sort((u, v) => v - u).slice(0, Math.ceil(l / 10));
  return total > 0 ? top.reduce((sum, mean) => sum + mean, 0) / total : 0;
}

/** The sizes below the diagonal, rows and columns divided by their means in turns until all means are about 1. */
function evened(data: Float64Array, l: number): Float64Array {
  const even = data.map(Math.abs);
  for (let sweep = 0; sweep < 20; sweep++) {
    for (let line = 0; line < l; line++) {
      const cells = Array.from({ length: sweep % 2 === 0 ? line : l - 1 - line }, (_, k) =>
        sweep % 2 === 0 ? line * l + k : (line + 1 + k) * l + line,
      );
      const mean = cells.reduce((sum, at) => sum + even[at]!, 0) / cells.length;
      if (mean > 0) for (const at of cells) even[at]! /= mean;
    }
  }
  return even;
}

/** With fewer matching pairs than this a ratio is an accident. */
const ENOUGH_PAIRS = 6;

/**
 * Σ |M_ji| over the pairs that match (j > i), over what pairs at the same distances have on average. Distances at which nothing matches, or
 * everything, tell nothing and are left out; 1 when too few pairs are left.
 */
function lift(data: Float64Array, l: number, matches: (j: number, i: number) => boolean): number {
  let [matched, expected, pairs] = [0, 0, 0];
  for (let distance = 1; distance < l; distance++) {
    let [hits, hitWeight, others, otherWeight] = [0, 0, 0, 0];
    for (let j = distance; j < l; j++) {
      const w = Math.abs(data[j * l + j - distance]!);
      if (matches(j, j - distance)) {
        hits++;
        hitWeight += w;
      } else {
        others++;
        otherWeight += w;
      }
    }
    if (hits === 0 || others === 0) continue;
    pairs += hits;
    matched += hitWeight;
    expected += (otherWeight / others) * hits;
  }
  return pairs >= ENOUGH_PAIRS && expected > 0 ? matched / expected : 1;
}

function resetOf(decays: ArrayLike<number>, starts: readonly number[], l: number): number {
  const at = new Set(starts);
  let [inside, outside] = [0, 0];
  for (let t = 1; t < l; t++) {
    if (at.has(t)) inside += 1 - decays[t]!;
    else outside += 1 - decays[t]!;
  }
  const others = l - 1 - at.size;
  return at.size > 0 && others > 0 && outside > 0 ? inside / at.size / (outside / others) : 1;
}
