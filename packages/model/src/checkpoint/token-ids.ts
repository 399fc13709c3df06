import type { ConfigReader } from './config-reader.js';

/** The ids that begin and end a text. */
export interface TokenIds {
  readonly bosTokenId?: number;
  readonly eosTokenIds: readonly number[];
}

/**
 * Reads `bos_token_id` (a number or null) and `eos_token_id` (a number, a list or null); missing keys give `fallback`.
 * @throws CheckpointError for an id outside the vocabulary
 */
export function readTokenIds(config: ConfigReader, vocabSize: number, fallback: TokenIds): TokenIds {
  const id = (key: string, value: unknown): number => {
    if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < vocabSize) return value as number;
    throw config.wrong(key, config.raw(key), `an id below the vocabulary's ${vocabSize}`);
  };
  const [bos, eos] = [config.raw('bos_token_id'), config.raw('eos_token_id')];
  const bosTokenId = bos === undefined ? fallback.bosTokenId : bos === null ? undefined : id('bos_token_id', bos);
  const eosTokenIds =
    eos === undefined
      ? fallback.eosTokenIds
      : (Array.isArray(eos) ? eos : [eos]).filter((e) => e !== null).map((e) => id('eos_token_id', e));
  return { ...(bosTokenId !== undefined && { bosTokenId }), eosTokenIds: [...new Set(eosTokenIds)] };
}
