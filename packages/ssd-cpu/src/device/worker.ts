import { serve } from '@mamba2/scan/threads';
import * as tasks from './tasks.js';

serve(tasks);
