import { serve } from '@mamba2/scan';
import * as tasks from './tasks.js';

serve(tasks);
