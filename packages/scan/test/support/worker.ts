import { serve } from '../../src/threads/index.js';
import * as tasks from './tasks.js';

serve(tasks);
