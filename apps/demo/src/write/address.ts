import { signal } from '@preact/signals';
import type { ModelSource } from '../model/protocol.js';
import { remember, remembered } from '../shell/remember.js';

/** The hub that is asked unless another is named. */
export const defaultHub = 'https://huggingface.co';

/** What a hub is asked with. The token lives in the page's memory alone. */
export const hubChoice = {
  revision: signal(''),
  token: signal(''),
  endpoint: signal(remembered('hub') ?? ''),
};

/** Chooses another hub, on the next visit as well; nothing is the usual one. */
export function chooseHub(endpoint: string): void {
  hubChoice.endpoint.value = endpoint;
  remember('hub', endpoint);
}

/** A hub's model, with what has been chosen. */
export function hubModel(id: string, revision = hubChoice.revision.value.trim()): ModelSource {
  const [token, endpoint] = [hubChoice.token.value.trim(), hubChoice.endpoint.value.trim()];
  return {
    kind: 'hub',
    id,
    options: { ...(revision && { revision }), ...(token && { token }), ...(endpoint && { endpoint }) },
  };
}

/** What someone typed: `owner/name`, the address of a hub's page about a model, or that of a folder. Undefined if it is none of them. */
export function sourceAt(text: string): ModelSource | undefined {
  const typed = text.trim();
  const hub = (hubChoice.endpoint.value.trim() || defaultHub).replace(/\/+$/, '');
  const inside = typed.startsWith(`${hub}/`) ? typed.slice(hub.length + 1) : typed;
  const [, id, revision] = /^(\w[\w.-]*\/\w[\w.-]*)(?:\/tree\/([^/]+))?\/?$/.exec(inside) ?? [];
  if (id !== undefined) return hubModel(id, revision);
  if (!/^(https?:\/\/|\.{0,2}\/)/.test(typed) || !URL.canParse(typed, document.baseURI)) return undefined;
  const url = new URL(typed, document.baseURI);
  url.hash = '';
  return { kind: 'url', url: url.href };
}
