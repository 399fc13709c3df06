export { shared as default } from '../../tsdown.shared.ts';
