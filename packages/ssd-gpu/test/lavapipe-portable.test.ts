import { suiteOn } from './support/suite-on.js';

suiteOn('llvmpipe', 'portable');
