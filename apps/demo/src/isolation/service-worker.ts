/**
 * Stands between the page and a server that cannot set headers, and adds those that make a page cross-origin isolated: only then may threads
 * share memory. It keeps nothing.
 */

/** What TypeScript's DOM library does not know of this place. */
interface ServiceWorkerScope extends EventTarget {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const scope = globalThis as unknown as ServiceWorkerScope;

scope.addEventListener('install', () => void scope.skipWaiting());
scope.addEventListener('activate', (event) => (event as ExtendableEvent).waitUntil(scope.clients.claim()));
scope.addEventListener('fetch', (event) => {
  const { request, respondWith } = event as FetchEvent;
  // Other origins answer for themselves: models are fetched with CORS, which isolation allows.
  if (new URL(request.url).origin === location.origin) respondWith.call(event, isolated(request));
});

async function isolated(request: Request): Promise<Response> {
  const response = await fetch(request);
  // Redirects of a navigation are followed by the browser, which asks again.
  if (response.type === 'opaqueredirect' || response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  const empty = [101, 204, 205, 304].includes(response.status);
  return new Response(empty ? null : response.body, {
    status: response.status,
    statusText: response.statusText,
    headers,
  });
}
