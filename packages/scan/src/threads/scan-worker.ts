/** The script of the workers behind the `threaded…` functions; worker-source.ts holds its text. */

import { serve } from './serve.js';
import { prefixSum, recurrence, selectiveScan } from './tasks.js';

serve({ prefixSum, recurrence, selectiveScan });
