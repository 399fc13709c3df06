/**
 * Numbers that say what structure the matrix of a head has, so that a script can look for heads worth seeing instead of a person. All of them
 * are about the sizes |M_ji|, and none depends on how far back a head looks by itself: an entry is compared with entries as far below the
 * diagonal.
 */

import type { Dense } from '@mamba2/core';

/** The measures of one head on one text. */
export interface HeadMeasures {
  /** Mean distance j − i, weighted by |M_ji| with each row summing to 1: how far back the head looks. */
  readonly reach: number;
  /** How much more weight lies on i when token i is token j once more than on other i as far away; 1 means no more. */
  readonly copying: number;
  /** The same for i that came right after an earlier occurrence of token j: what induction heads of transformers do. */
  readonly induction: number;
  /** The same for i in the same word as j, a word being cut into tokens. */
  readonly words: number;
  /** How much more of the state is dropped, 1 − exp(Δ_t A), where a sentence begins than elsewhere; 1 means no more. */
  readonly reset: number;
}

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
  return {
    reach: reachOf(M, l),
    copying: lift(M, l, (j, i) => ids[i] === ids[j]),
    induction: lift(M, l, (j, i) => i > 0 && ids[i - 1] === ids[j]),
    words: lift(M, l, (j, i) => words[i] === words[j]),
    reset: resetOf(decays, sentenceStarts(tokens), l),
  };
}

function reachOf({ data }: Dense, l: number): number {
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

/** With fewer matching pairs than this a ratio is an accident. */
const ENOUGH_PAIRS = 6;

/**
 * Σ |M_ji| over the pairs that match (j > i), over what pairs at the same distances have on average. Distances at which nothing matches, or
 * everything, tell nothing and are left out; 1 when too few pairs are left.
 */
function lift({ data }: Dense, l: number, matches: (j: number, i: number) => boolean): number {
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
