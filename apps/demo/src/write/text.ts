import { words } from '../i18n/i18n.js';

/** The words of the writing page. */
export const text = words({
  en: { title: 'Write', prompt: 'Prompt', write: 'Write', stop: 'Stop' },
  zh: { title: '写作', prompt: '开头', write: '写', stop: '停' },
});
