/**
 * A language model's architecture, whatever format its checkpoint has: the one shape that both config parsers produce and everything else
 * reads.
 */
export interface ModelConfig {
  /** Which library's format the checkpoint has. */
  readonly format: 'transformers' | 'mamba_ssm';
  /** Width of the residual stream. */
  readonly dModel: number;
  /** Ids that mean something: 0 … vocabSize − 1. */
  readonly vocabSize: number;
  /** Rows of the embedding, vocabSize rounded up to the checkpoint's multiple. */
  readonly paddedVocabSize: number;
  /** Whether logits are products with the embedding, in place of a matrix of their own. */
  readonly tieEmbeddings: boolean;
  /** ε of the norms between layers and of the last one. */
  readonly normEps: number;
  /** Those norms are LayerNorms, with biases; without this RMSNorms. The gated norm inside a Mamba-2 mixer is an RMSNorm always. */
  readonly layerNorm?: true;
  /** From the first to the last. */
  readonly layers: readonly LayerConfig[];
  /** From config.json or generation_config.json, where given. */
  readonly bosTokenId?: number;
  /** Ids that end a text. */
  readonly eosTokenIds: readonly number[];
}

/** One residual block: a norm and a mixer, then, where there is one, a norm and a gated MLP. */
export interface LayerConfig {
  /** What mixes positions. */
  readonly mixer: MixerConfig;
  /** A gated MLP behind the mixer, with a norm of its own. */
  readonly mlp?: GatedMlpConfig;
}

/** What mixes the sequence in a layer. */
export type MixerConfig = Mamba2Config | Mamba1Config | AttentionConfig;

/** A Mamba-2 mixer. Widths in numbers: dInner = expand · dModel, dSsm = h · p ≤ dInner (the rest is a gated MLP inside the mixer). */
export interface Mamba2Config {
  /** Which mixer it is. */
  readonly type: 'mamba2';
  /** expand · dModel */
  readonly dInner: number;
  /** h · p, what the SSD works on */
  readonly dSsm: number;
  /** h */
  readonly nheads: number;
  /** p */
  readonly headdim: number;
  /** g */
  readonly ngroups: number;
  /** n */
  readonly dState: number;
  /** Width of the causal convolution. */
  readonly dConv: number;
  /** in_proj and out_proj have biases. */
  readonly bias: boolean;
  /** The convolution has biases. */
  readonly convBias: boolean;
  /** D is (h, p) instead of (h). */
  readonly dHasHdim: boolean;
  /** A gated RMSNorm after the SSD; without it y is gated inside the SSD. */
  readonly rmsnorm: boolean;
  /** The gated norm normalises first and gates then. */
  readonly normBeforeGate: boolean;
  /** Parts that the gated norm normalises each by itself: 1 in transformers, ngroups in mamba_ssm. */
  readonly normGroups: number;
  /** ε of the gated norm. */
  readonly normEps: number;
  /** Δ is clamped into it. */
  readonly dtLimit: readonly [number, number];
  /** q the checkpoint was trained with; any length computes the same. */
  readonly chunkSize: number;
}

/** A Mamba-1 mixer (transformers' `MambaForCausalLM`). */
export interface Mamba1Config {
  /** Which mixer it is. */
  readonly type: 'mamba1';
  /** Channels d. */
  readonly dInner: number;
  /** n */
  readonly dState: number;
  /** Width of the causal convolution. */
  readonly dConv: number;
  /** Rank of dt's projection. */
  readonly dtRank: number;
  /** in_proj and out_proj have biases. */
  readonly bias: boolean;
  /** The convolution has biases. */
  readonly convBias: boolean;
}

/** Rotary position embedding: see core's `rotaryTable`. */
export interface RotaryConfig {
  /** How many coordinates are turned, in pairs. */
  readonly dim: number;
  /** Pair i turns by `base^(−2i / dim)` a position. */
  readonly base: number;
  /** Pairs are neighbours, (2i, 2i + 1), in place of (i, dim/2 + i). */
  readonly interleaved: boolean;
}

/** An attention mixer of mamba_ssm's hybrids. */
export interface AttentionConfig {
  /** Which mixer it is. */
  readonly type: 'attention';
  /** h, of queries */
  readonly nheads: number;
  /** g, of keys and values: h / g neighbouring heads share one. */
  readonly kvHeads: number;
  /** p */
  readonly headdim: number;
  /** Width of a gated MLP beside the attention; 0 for none. */
  readonly mlpHidden: number;
  /** Width of the causal convolution over queries, keys and values; 0 for none. */
  readonly dConv: number;
  /** in_proj has a bias. */
  readonly bias: boolean;
  /** out_proj has a bias. */
  readonly outBias: boolean;
  /** What scores are multiplied by. */
  readonly scale: number;
  /** Turns the first `dim` coordinates of queries and keys. */
  readonly rotary?: RotaryConfig;
}

/** `fc2(x · silu(gate))` with `[x, gate] = fc1(u)`. */
export interface GatedMlpConfig {
  /** Width between its two products. */
  readonly hidden: number;
  /** Both products have biases. */
  readonly bias: boolean;
}
