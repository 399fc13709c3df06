/** The English words of the Duality page; `text-zh.ts` has the same keys. */
export const en = {
  title: 'One matrix, two ways to read it',
  lead: 'A state-space layer reads token by token and keeps a state of fixed size. Attention compares all pairs of tokens at once. In Mamba-2 the two compute the same product, with the same matrix. Type a sentence and see the matrix that the model makes of it.',
  english: '',
  sentence: 'A sentence',
  show: 'Show its matrices',
  retry: 'Try again',
  reading: 'The model is reading …',
  loadingModel: (share: string) => `Loading the model … ${share}`,
  tokens: (l: string) => `${l} tokens`,
  tooLong: (given: string, most: string) => `This is ${given} tokens long. The page draws at most ${most}.`,
  tooLongFix: 'Shorten the sentence.',
  noLayers: 'This model has no Mamba-2 layers, so there is no such matrix to show.',
  noLayersFix: 'Load the storyteller, or another Mamba-2 checkpoint, on the Write page.',
  empty: 'There is nothing to read yet.',
  emptyFix: 'Type a sentence.',
  examples: 'Or begin with a head that a script found worth seeing:',
  found: {
    focus: {
      name: 'It remembers a few marks',
      what: (share: string) =>
        `A tenth of the columns holds ${share} of all the weight of this head: the colons that end a speaker’s name, and the ends of lines. Their columns run down to the end of the text; everything else passes through.`,
    },
    reset: {
      name: 'It forgets at the full stop',
      what: (lift: string) =>
        `Where a sentence begins, this head drops ${lift} times as much of its state as elsewhere: each sentence becomes a triangle of its own.`,
    },
    words: {
      name: 'It stays inside a word',
      what: (lift: string) =>
        `Words are cut into tokens. This head weighs the tokens of the same word ${lift} times as much as others at the same distance: small triangles along the diagonal.`,
    },
  },

  headsTitle: 'Pick a head',
  headsProse: (layers: string, heads: string) =>
    `Every layer has heads, and each makes its own matrix of the sentence. Here are all of them: ${layers} layers, one under the other, of ${heads} heads each. Dark bands near the diagonal are heads with a short memory; full triangles remember everything.`,
  layer: 'Layer',
  head: 'Head',
  headName: (layer: string, head: string) => `layer ${layer}, head ${head}`,

  matrixTitle: 'The matrix and what it is made of',
  matrixProse:
    'Row j says what token j takes from the tokens before it. Blue adds, orange subtracts. Move over a cell, or use the arrow keys, to take it apart into its three factors.',
  matrix: 'M, the matrix of the head',
  matrixAlt: (at: string) => `The matrix M of ${at}. Arrow keys move from cell to cell.`,
  L: 'L, the decays',
  LProse: 'how much of token i is left when token j reads',
  G: 'C Bᵀ, the match',
  GProse: 'what j asks for against what i wrote; the mask hides the upper half',
  softmax: 'softmax(C Bᵀ)',
  softmaxProse: 'what attention would make of the same C and B: no signs, rows sum to 1',
  delta: 'Δ, how much each token writes',
  decays: 'exp(ΔA), how much of the state each token keeps',
  cell: (j: string, i: string, m: string, L: string, g: string, d: string) =>
    `From “${i}” to “${j}”: M = ${m} = L ${L} × C·B ${g} × Δ ${d}`,
  quoted: (token: string) => `“${token}”`,
  fromTo: (i: string, j: string) => `From “${i}” to “${j}”`,
  cellHint: 'Point at a cell, or press an arrow key.',
  scale: 'Half the ink is a quarter of the largest number.',

  chunkTitle: 'From recurrence to attention in one slider',
  chunkProse:
    'Cut the sequence into chunks of q tokens. Inside a chunk, multiply by the block of M as attention does. Between chunks, hand on one state. At q\u00a0=\u00a01 that is the recurrence, at q\u00a0=\u00a0l it is attention, and the output is the same at every stop.',
  q: 'Chunk length q',
  qValue: (q: string, of: string) => (of === q ? `${q} = l` : q),
  chunkAlt: (chunks: string, q: string) =>
    `M with ${chunks} blocks of ${q} on its diagonal; what lies below them goes through the states between the chunks.`,
  chunkCaption: 'M in blocks: solid ones are computed as attention, hatched ones never exist, a state stands for them',
  stateCaption: 'The states that pass from chunk to chunk, each p × n numbers, as the call reported them',
  stateAlt: (count: string) => `${count} states between chunks`,
  noStates: 'One chunk: no state is handed on.',
  deviation: 'largest difference from the recurrence, as a fraction of the largest output',
  output: 'y, the output of this stop, time from left to right: move the slider, it stays the same',
  blocks: 'blocks on the diagonal',
  states: 'states handed on',
  multiplyAdds: 'multiply-adds',
  matmulShare: 'of them in matrix products',
  depth: 'operations that wait for each other',
  measured: 'measured here',
  chartCosts: 'Multiply-adds at each stop, by the cost model',
  chartTimes: 'Milliseconds at each stop, measured in this browser',
  chartLeast: (q: string) => `least at q = ${q}`,
  costsAlt: (least: string, first: string, last: string) =>
    `Multiply-adds against chunk length: ${first} at q = 1, least at q = ${least}, ${last} at q = l.`,
  timesAlt: (least: string) => `Measured time against chunk length, least at q = ${least}.`,
  timesNote: (recurrent: string, quadratic: string) =>
    `Plain loops on one thread, which have no special units for matrix products; medians of seven runs. By itself the recurrence's own loop takes ${recurrent}, attention's ${quadratic}. On devices where matrix products are cheap the minimum moves to larger q: the Compare page measures that.`,
  measure: 'Measure again',
  measuring: 'Measuring …',

  impulseTitle: 'Poke one input',
  impulseProse:
    'Set all inputs to zero but one and run the recurrence, with the Δ, B and C of this sentence. What comes out is a column of M: nothing before the poke, and after it the memory of that one token. Poke a second one and the answers add up. Choose a column of the small matrix, or use the sliders.',
  pokeMap: (token: string) =>
    `The matrix M, the column of “${token}” marked. Arrow keys left and right choose another.`,
  pokeAt: 'First poke',
  size: 'Its size',
  second: 'A second poke',
  secondAt: 'Second poke',
  impulseAlt: (at: string) => `The recurrence's answer to a poke at ${at}, over the column of M.`,
  byRecurrence: 'recurrence',
  byColumn: 'column of M',
  fromColumn: 'recurrence against the column of M',
  fromSum: 'both at once against the sum of each alone',
  before: 'largest answer before the first poke',

  lensTitle: 'A lens for blocks',
  lensProse:
    'Drag a rectangle anywhere on or below the diagonal. All its numbers had to pass through the state, which holds n numbers to a channel, so its rank is at most n and it comes apart into two thin factors.',
  lensFew: (tokens: string, side: string, states: string) =>
    `In a sentence of ${tokens} tokens the shorter side of such a block is ${side} at most, less than the n\u00a0=\u00a0${states} states of the model: no block could pass the bound. With only the busiest few states kept, M is the matrix that those make, and the bound shows: the singular values end at n.`,
  keepStates: 'States kept',
  mask: 'Mask',
  maskNames: {
    ssd: 'L of this head',
    ones: 'ones',
    gamma: 'γ, constant decay',
    toeplitz: 'Toeplitz',
    softmax: 'softmax',
  },
  maskProse: {
    ssd: 'The mask of Mamba-2: decays that the input chose. Order 1, so the bound holds.',
    ones: 'No decay at all, linear attention. Order 1, so the bound holds.',
    gamma: (gamma: string) =>
      `The same decay at every step, RetNet, here this head's mean γ = ${gamma}. Order 1, so the bound holds.`,
    toeplitz:
      'Any function of the distance, here cos(k/3)/(1+k). Its own order is large, and n no longer bounds the rank.',
    softmax: 'An exponential around every score. It breaks the rank: no state of fixed size can stand for the past.',
  },
  lensAlt: (block: string) =>
    `The matrix under the mask, with a block chosen: ${block}. Arrow keys move the block, with Shift they change its size; dragging chooses another.`,
  block: (j0: string, j1: string, i0: string, i1: string) => `rows ${j0}–${j1}, columns ${i0}–${i1}`,
  rank: 'rank',
  bound: 'bound',
  boundOf: (n: string) => `n = ${n}`,
  noBound: 'none',
  shownNumbers: 'numbers in the block',
  storedNumbers: 'numbers in its factors',
  factorsFit: 'factors multiplied against the block',
  singular: 'Singular values σₖ, as fractions of the largest',
  singularAlt: (rank: string, of: string) =>
    `${of} singular values on a logarithmic scale; ${rank} of them are more than rounding.`,
  left: 'left factor',
  right: 'right factor',
  product: 'their product, the block',
  noFactors: 'There are no factors of width n.',
  holds: (rank: string, n: string) => `Rank ${rank} ≤ n = ${n}: the bound holds.`,
  breaks: (rank: string, n: string) => `Rank ${rank} > n = ${n}: no state of this size could carry the block.`,
  small: (rank: string, n: string) =>
    `Rank ${rank}. This mask promises no bound; take a larger block, or fewer states, to see it pass n = ${n}.`,
  reset: 'Whole lower left quarter',

  invarianceTitle: 'Break time-invariance',
  invarianceProse:
    'Hold Δ, B and C at their means and the head treats every token alike. M becomes Toeplitz, the same along every diagonal, and a fast Fourier transform computes the product. Now let go of one of them, or move the Δ of a single token (drag its column up or down, or use the sliders), and the convolution is wrong.',
  hold: 'Held at the mean',
  nudgeAt: 'Token',
  nudge: 'Its Δ, times',
  invarianceAlt: (spread: string) =>
    `The matrix with what is held; entries along a diagonal differ by ${spread} of the largest at most. Arrow keys left and right choose the token, up and down change its Δ.`,
  outputAlt: 'One channel of the output, by the recurrence and by the Fourier transform',
  byFft: 'FFT',
  fftError: 'error of the FFT',
  spread: 'unevenness along the diagonals of M',
  toeplitzYes: 'Toeplitz: the FFT agrees to rounding.',
  toeplitzNo: 'Not Toeplitz any more: there is no kernel, and the FFT misses.',
  undoNudge: 'Put Δ back',

  memoryTitle: 'What should a state remember?',
  memoryProse:
    'HiPPO, the ancestor of these models, chose A and B so that n numbers are always the best polynomial summary of everything seen so far. Draw a signal. It is shown to the memory sample by sample, then rebuilt from the n coefficients alone.',
  draw: 'A signal to draw on',
  drawAlt: (t: string, value: string) =>
    `The signal and what is rebuilt of it. Draw with a pointer, or: arrow keys left and right move along the signal, up and down change it there. At ${t}: ${value}.`,
  presets: 'Begin with',
  presetNames: { chirp: 'a chirp', steps: 'steps', bumps: 'two bumps', line: 'a line' },
  coefficients: 'Coefficients n',
  coefficientsShown: 'The coefficients, that of the constant first',
  seen: 'Seen so far',
  memoryError: 'error of what is rebuilt',
  signalName: 'signal',
  rebuiltName: (n: string) => `rebuilt from ${n} numbers`,
  memoryNote:
    'Mamba-2 keeps less of this, one decay for all states of a head. In exchange the input decides what is written, what is read, and how fast it fades: the matrices above.',
};
