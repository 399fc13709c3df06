import { words } from '../i18n/i18n.js';
import { en } from './text-en.js';
import { zh } from './text-zh.js';

export const text = words({ en, zh });
