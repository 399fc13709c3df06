import { serve } from '../../src/index.js';
import * as tasks from './tasks.js';

serve(tasks);
