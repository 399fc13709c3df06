import { words } from '../i18n/i18n.js';

/** The words of figures on every page. */
export const text = words({
  en: { asTable: 'As a table' },
  zh: { asTable: '以表格显示' },
});
