/** What the page and the model's worker say to each other: the only contract between them. */

import type { BackendDescription, WeightFormat } from '@mamba2/core';
import type { BackendName, HubOptions, InspectedLayer, KeptModel, ModelConfig, Stopped } from '@mamba2/model';
import type { MergeStep } from '@mamba2/tokenizer';
import type { Kept, NotKept } from './shelf.js';

/** Where a model comes from. */
export type ModelSource =
  | { kind: 'storyteller' }
  /** A model of a hub, `owner/name`. */
  | { kind: 'hub'; id: string; options: Pick<HubOptions, 'revision' | 'token' | 'endpoint'> }
  /** A folder's address. */
  | { kind: 'url'; url: string }
  /** Files of a picker or a drop, by their path inside the chosen folder. */
  | { kind: 'files'; name: string; files: Readonly<Record<string, Blob>> }
  /** Files that were kept on an earlier visit. */
  | { kind: 'kept'; name: string };

/** A model that is ready. */
export interface ModelInfo {
  name: string;
  parameters: number;
  /** Bytes of parameters as the checkpoint stores them. */
  byteLength: number;
  /** Size of one sequence's memory, the same at every length. */
  stateBytes: number;
  hasTokenizer: boolean;
  config: ModelConfig;
  backend: BackendDescription;
  fingerprint: string;
}

/** What the browser keeps for this page: models of hubs, which the library keeps, and others. */
export interface Shelf {
  readonly hubs: readonly KeptModel[];
  readonly others: readonly Kept[];
}

/** One token of a story. */
export interface StoryToken {
  id: number;
  /** The text that became certain with it: tokens that end inside a character give none. */
  text: string;
  /** Natural logarithm of its probability when it was drawn; none for tokens of a prompt. */
  logProb?: number;
}

/** One token of a text and how it came about. */
export interface TokenInfo {
  id: number;
  /** As the vocabulary writes it. */
  token: string;
  /** Where it lies in the text, in code points: `[start, end)`. */
  offsets: readonly [number, number];
  bytes: Uint8Array;
  special: boolean;
  /** The merges that made it, in the order in which they were applied. */
  merges: MergeStep[];
}

export interface SamplingChoice {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  seed: number;
  maxTokens: number;
}

/** The SSM state of one layer, (h · p) rows of n numbers. */
export interface StateLayer {
  layer: number;
  rows: number;
  columns: number;
  values: Float32Array;
}

/** For each request: what is asked, what is reported on the way, what is answered. A story is a number that `begin`, `fork` or `restore` gave. */
export interface Requests {
  /** Loads a model in place of the one there is; if that fails or is cancelled, the old one stays. */
  load: {
    ask: { source: ModelSource; backend: BackendName; format: WeightFormat };
    report: { loaded: number; total: number };
    answer: { info: ModelInfo; notKept: NotKept | undefined };
  };
  /** The models that the browser keeps for this page. */
  shelf: { ask: null; report: never; answer: Shelf };
  /** Takes files in. Answers why not, if not. */
  keep: {
    ask: { name: string; files: Readonly<Record<string, Blob>> };
    report: never;
    answer: NotKept | undefined;
  };
  /** Lets a model go: one of a hub, or another by its name. */
  discard: { ask: { hub: KeptModel } | { name: string }; report: never; answer: null };
  /** Variants in use now; some are chosen only when first needed. */
  describe: { ask: null; report: never; answer: BackendDescription };
  tokenize: { ask: { text: string }; report: never; answer: TokenInfo[] };
  /** Details of tokens by id, without a text: offsets are `[0, 0]`. */
  tokens: { ask: { ids: number[] }; report: never; answer: TokenInfo[] };
  /** What each layer's matrix is made of, for a text. */
  inspect: { ask: { text: string }; report: never; answer: { tokens: TokenInfo[]; layers: InspectedLayer[] } };

  begin: { ask: null; report: never; answer: { story: number } };
  /** Takes in a prompt (it may be empty later on) and goes on from it. */
  write: {
    ask: { story: number; prompt: string; sampling: SamplingChoice };
    report: { tokens: StoryToken[]; prompt: boolean };
    answer: { stopped: Stopped; generated: number; seconds: number };
  };
  /** Goes back to the first `length` tokens. */
  rewind: { ask: { story: number; length: number }; report: never; answer: { length: number } };
  fork: { ask: { story: number }; report: never; answer: { story: number } };
  save: { ask: { story: number }; report: never; answer: Uint8Array };
  /** The story whose state a file holds. `past`: its last tokens, where they are known; the rest only the state remembers. */
  restore: {
    ask: { saved: Uint8Array; past: { id: number; drawn: boolean }[] };
    report: never;
    answer: { story: number; length: number };
  };
  /** The numbers of the state. */
  state: { ask: { story: number }; report: never; answer: StateLayer[] };
  end: { ask: { story: number }; report: never; answer: null };
}

export type RequestName = keyof Requests;

/** A failure as it crosses the border. */
export interface Failure {
  /** The error's class, such as `CheckpointError`; `AbortError` for what was cancelled. */
  name: string;
  message: string;
  given?: string | undefined;
  expected?: string | undefined;
  fix?: string | undefined;
}

export type ToWorker =
  { [N in RequestName]: { id: number; name: N; ask: Requests[N]['ask'] } }[RequestName] | { id: number; cancel: true };

export type FromWorker =
  { id: number; report: unknown } | { id: number; answer: unknown } | { id: number; failure: Failure };
