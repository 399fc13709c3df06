/**
 * Ranks of matrices and of their blocks. Apart from the rest for the singular value decomposition behind them, a library's.
 * @module ranks
 */
export { numericalRank, type RankOptions, semiseparableOrder, singularValues } from './ranks.js';
