/** How long the service worker may take to be ready; the page opens without it after that. */
const PATIENCE = 4000;

/** Remembers within a tab that the page has been loaded again for this, so that it never happens twice in a row. */
const TRIED = 'mamba2.isolating';

/**
 * Where the server does not isolate the page, lets a service worker do it, which takes loading the page once more. Threads need it; everything
 * else works without.
 * @returns whether the page is about to be loaded again
 */
export async function isolate(): Promise<boolean> {
  if (crossOriginIsolated || !('serviceWorker' in navigator) || tried()) return false;
  try {
    const base = new URL('./', location.href);
    await navigator.serviceWorker.register(new URL('service-worker.js', base), { scope: base.pathname });
    await Promise.race([controlled(), new Promise((_, fail) => setTimeout(fail, PATIENCE))]);
    sessionStorage.setItem(TRIED, 'yes');
    location.reload();
    return true;
  } catch {
    return false;
  }
}

/** Resolves when a service worker stands between this page and the server. */
async function controlled(): Promise<void> {
  if (navigator.serviceWorker.controller) return;
  await new Promise<void>((resolve) =>
    navigator.serviceWorker.addEventListener('controllerchange', () => resolve(), { once: true }),
  );
}

/** Whether it was tried just before; the next visit may try again. */
function tried(): boolean {
  try {
    const before = sessionStorage.getItem(TRIED) !== null;
    sessionStorage.removeItem(TRIED);
    return before;
  } catch {
    // Without storage there is no telling: better no reload than one after the other.
    return true;
  }
}
