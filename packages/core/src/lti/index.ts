/**
 * Time-invariant systems: discretisation, their three views (recurrence, convolution, matrix) and HiPPO.
 * @module lti
 */
export { discretise, type Discretisation, unrollSteps } from './discretise.js';
export { hippoLegS, hippoNormalPart, legSProject, legSReconstruct, legSUpdate, s4dEigenvalues } from './hippo.js';
export type { StateSpace, StateSpaceTensors } from './system.js';
export { convolve, ltiConvolution, ltiKernel, ltiMatrix, ltiRecurrent, toeplitz } from './views.js';
