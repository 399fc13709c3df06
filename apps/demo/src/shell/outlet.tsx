import { signal } from '@preact/signals';
import type { FunctionComponent } from 'preact';
import { useEffect } from 'preact/hooks';
import { Notice } from './notice.jsx';
import { page, type PageName } from './router.js';
import { text } from './text.js';

/** Where each page's code comes from; fetched when the page is first opened. */
const sources: Record<PageName, () => Promise<{ Page: FunctionComponent }>> = {
  write: () => import('../write/page.jsx'),
  duality: () => import('../duality/page.jsx'),
  scan: () => import('../scan/page.jsx'),
  compare: () => import('../compare/page.jsx'),
};

const fetched = signal<Partial<Record<PageName, FunctionComponent>>>({});
const failed = signal<PageName | undefined>(undefined);

async function fetchPage(name: PageName): Promise<void> {
  failed.value = undefined;
  try {
    const { Page } = await sources[name]();
    fetched.value = { ...fetched.value, [name]: Page };
  } catch (error) {
    console.error(error);
    failed.value = name;
  }
}

/** The page that the address names. Pages that were opened stay as they were: what they computed is kept while another one is looked at. */
export function PageOutlet() {
  const name = page.value;
  const pages = fetched.value;
  useEffect(() => {
    if (!fetched.peek()[name]) void fetchPage(name);
  }, [name]);
  const t = text.value;
  return (
    <>
      {Object.entries(pages).map(([each, Page]) => (
        <div key={each} class={`page page-${each}`} hidden={each !== name}>
          <Page />
        </div>
      ))}
      {failed.value === name ? (
        <Notice failure={{ name: '', message: t.pageFailed, fix: t.pageFailedFix }}>
          <button type="button" onClick={() => location.reload()}>
            {t.reload}
          </button>
        </Notice>
      ) : (
        !pages[name] && <p class="opening">{t.opening}</p>
      )}
    </>
  );
}
