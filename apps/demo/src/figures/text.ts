import { words } from '../i18n/i18n.js';

/** The words of figures on every page. */
export const text = words({
  en: {
    asTable: 'As a table',
    noChart:
      'The code that draws this chart could not be fetched. The numbers beside it are right; load the page again for the chart.',
  },
  zh: {
    asTable: '以表格显示',
    noChart: '画这张图的代码没能取回来。旁边的数字仍然正确；重新载入页面可再试。',
  },
});
