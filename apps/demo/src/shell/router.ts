import { signal } from '@preact/signals';

/** The pages, in the order of the navigation. */
export const pages = ['write', 'duality', 'scan', 'compare'] as const;

export type PageName = (typeof pages)[number];

/** The page that the address names: `#/write`, … */
export const page = signal<PageName>(fromAddress());

/** What follows the page's name in the address, such as `?l=64` in `#/compare?l=64`. */
export const query = signal(queryOfAddress());

addEventListener('hashchange', () => {
  page.value = fromAddress();
  query.value = queryOfAddress();
});

function fromAddress(): PageName {
  return pages.find((name) => location.hash.replace(/^#\/?/, '').split('?')[0] === name) ?? 'write';
}

function queryOfAddress(): string {
  return location.hash.split('?')[1] ?? '';
}
