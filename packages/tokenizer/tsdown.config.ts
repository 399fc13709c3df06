import { withEntries } from '../../tsdown.shared.ts';

export default withEntries('train');
