import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ModelSource } from '../model/protocol.js';
import { current, stock } from '../model/session.js';
import { sourceAt } from './address.js';
import { chosen, dropped } from './files.js';
import { HubFields } from './hub-fields.jsx';
import { text } from './picker-text.js';
import { ShelfList } from './shelf-list.jsx';

/** Ways to another model: a hub, an address, a folder, files, a drop, or what is kept from an earlier visit. */
export function ModelPicker({ busy, onChoose }: { busy: boolean; onChoose: (source: ModelSource) => void }) {
  const t = text.value;
  const address = useSignal('');
  const over = useSignal(false);
  const folder = useRef<HTMLInputElement>(null);
  const files = useRef<HTMLInputElement>(null);
  useEffect(() => void stock(), []);
  const take = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    if (currentTarget.files?.length) onChoose({ kind: 'files', ...chosen(currentTarget.files) });
    currentTarget.value = '';
  };
  return (
    <details class="other">
      <summary>{t.other}</summary>
      <p class="soft">{t.otherLead}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const source = sourceAt(address.value);
          if (source) onChoose(source);
        }}
      >
        <label>
          <span>{t.address}</span>
          <input
            type="text"
            inputMode="url"
            required
            spellcheck={false}
            placeholder={t.addressHint}
            value={address.value}
            onInput={({ currentTarget }) => {
              address.value = currentTarget.value;
              currentTarget.setCustomValidity(
                currentTarget.value === '' || sourceAt(currentTarget.value) ? '' : t.badAddress,
              );
            }}
          />
        </label>
        <HubFields />
        <button type="submit" disabled={busy}>
          {t.open}
        </button>
      </form>
      <div
        class={over.value ? 'drop over' : 'drop'}
        onDragOver={(event) => {
          event.preventDefault();
          over.value = true;
        }}
        onDragLeave={() => (over.value = false)}
        onDrop={(event) => {
          event.preventDefault();
          over.value = false;
          if (!busy && event.dataTransfer)
            void dropped(event.dataTransfer.items).then((set) => onChoose({ kind: 'files', ...set }));
        }}
      >
        <div class="actions">
          <button type="button" disabled={busy} onClick={() => folder.current?.click()}>
            {t.folder}
          </button>
          <button type="button" disabled={busy} onClick={() => files.current?.click()}>
            {t.files}
          </button>
        </div>
        <p class="soft">{t.drop}</p>
        <input ref={folder} type="file" hidden data-picks="folder" {...{ webkitdirectory: true }} onChange={take} />
        <input ref={files} type="file" hidden multiple data-picks="files" onChange={take} />
      </div>
      <ShelfList busy={busy} onChoose={onChoose} />
      {current.value.source.kind !== 'storyteller' && (
        <button type="button" disabled={busy} onClick={() => onChoose({ kind: 'storyteller' })}>
          {t.storyteller}
        </button>
      )}
    </details>
  );
}
