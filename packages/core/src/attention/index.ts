export { attentionMatrix, type HeadChoice, headGenerators, type SsdHeads } from './heads.js';
export { causalMask, decayMask, linearAttention, maskedAttention, type QueriesKeysValues } from './masked.js';
export { rotaryTable } from './rotary.js';
export { softmaxAttention, softmaxMatrix, type SoftmaxOptions } from './softmax.js';
