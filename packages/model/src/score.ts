import { ArgumentError, expectNumber, refuseUnknown } from '@mamba2/core';
import { padded } from './feed.js';
import { type Generator, promptIds, type TokenLogProb } from './generate.js';
import { tensorsOf, zeroStates } from './mixer-state.js';
import { hidden, logits } from './network.js';
import { turns } from './turn.js';

/** How {@link Mamba2.score} is run. */
export interface ScoreOptions {
  /** The token the text is taken to follow; the model's begin-of-text token by default, or else its end-of-text token. */
  start?: number;
  /** Ends scoring. */
  signal?: AbortSignal;
  /** Called as tokens are scored. */
  onProgress?: (progress: { scored: number; total: number }) => void;
}

/** How well a model predicts a text. */
export interface Score {
  /** Per token its natural-log probability after all before it. */
  tokens: TokenLogProb[];
  /** Natural-log probability of the whole text. */
  logProb: number;
  /** UTF-8 bytes of the text. */
  bytes: number;
  /** −log₂ p(text) / bytes */
  bitsPerByte: number;
}

/** See `Mamba2.score`. */
export async function score(generator: Generator, text: string, options: ScoreOptions = {}): Promise<Score> {
  refuseUnknown('score', options, ['start', 'signal', 'onProgress']);
  const { network, eosTokenIds, bosTokenId } = generator;
  const { backend, config } = network;
  const { signal, onProgress } = options;
  const ids = promptIds(generator, text, false);
  if (ids.length === 0) throw new ArgumentError('score', { given: 'an empty text', expected: 'at least one token' });
  const given = options.start ?? bosTokenId ?? eosTokenIds[0];
  if (given === undefined)
    throw new ArgumentError('score needs a token to start from', { fix: 'pass { start: id }: this model names none' });
  const start = expectNumber('start', given, { min: 0, max: config.paddedVocabSize - 1, integer: true });

  const inputs = [start, ...ids.slice(0, -1)];
  const tokens: Score['tokens'] = [];
  const states = zeroStates(network, 1, ids.length);
  const turn = turns();
  try {
    for (let from = 0; from < ids.length; from += backend.segment) {
      await turn();
      signal?.throwIfAborted();
      const to = Math.min(from + backend.segment, ids.length);
      const logProbs = backend.scope(() => {
        const x = hidden(network, padded(network, [inputs.slice(from, to)], to - from), states);
        return backend.logProbs(logits(network, x), padded(network, [ids.slice(from, to)], to - from));
      });
      const values = await backend.read(logProbs);
      backend.free(logProbs);
      for (let t = from; t < to; t++) tokens.push({ id: ids[t]!, logProb: values[t - from]! });
      onProgress?.({ scored: to, total: ids.length });
    }
  } finally {
    backend.free(...tensorsOf(states));
  }
  const logProb = tokens.reduce((sum, token) => sum + token.logProb, 0);
  const bytes = new TextEncoder().encode(text).length;
  return { tokens, logProb, bytes, bitsPerByte: -logProb / Math.LN2 / bytes };
}
