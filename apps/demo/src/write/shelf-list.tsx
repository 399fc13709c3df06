import type { ModelSource } from '../model/protocol.js';
import { discard, shelf } from '../model/session.js';
import { hubModel } from './address.js';
import { text } from './picker-text.js';

/** The models that the browser keeps, to be opened or removed. */
export function ShelfList({ busy, onChoose }: { busy: boolean; onChoose: (source: ModelSource) => void }) {
  const t = text.value;
  const { hubs, others } = shelf.value;
  const rows = [
    ...others.map(({ name, bytes, whole, address }) => ({
      name,
      bytes,
      whole,
      // What is whole needs no network; of what isn't, the rest is fetched.
      source: whole ? ({ kind: 'kept', name } as const) : address && ({ kind: 'url', url: address } as const),
      remove: () => discard({ name }),
    })),
    ...hubs.map((hub) => ({
      name: hub.revision === 'main' ? hub.id : `${hub.id}@${hub.revision}`,
      bytes: hub.bytes,
      whole: true,
      source: hubModel(hub.id, hub.revision),
      remove: () => discard({ hub }),
    })),
  ];
  if (rows.length === 0) return null;
  return (
    <div class="shelf">
      <h3>{t.kept}</h3>
      <ul>
        {rows.map(({ name, bytes, whole, source, remove }) => (
          <li key={name}>
            <span>
              {name} <small class="soft numbers">{whole ? t.size(bytes) : t.part(bytes)}</small>
            </span>
            <span class="actions">
              {source && (
                <button
                  type="button"
                  disabled={busy}
                  aria-label={whole ? t.openKept(name) : t.goOnWith(name)}
                  onClick={() => onChoose(source)}
                >
                  {whole ? t.open : t.goOn}
                </button>
              )}
              <button
                type="button"
                class="quiet"
                disabled={busy}
                aria-label={t.removeKept(name)}
                onClick={() => void remove()}
              >
                {t.remove}
              </button>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
