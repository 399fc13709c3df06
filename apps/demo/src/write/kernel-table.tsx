import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { BackendDescription } from '@mamba2/core';
import { client, model } from '../model/session.js';
import { noWebGpu } from '../model/webgpu.js';
import { writing } from './desk.js';
import { OwnParagraphs, OwnWords } from '../shell/own-words.jsx';
import { text } from './text.js';

/** The device, and for each operation the kernel variant in use and why it was taken. */
export function KernelTable() {
  const t = text.value;
  const described = useSignal<BackendDescription | undefined>(undefined);
  const info = model.value;
  const resting = !writing.value;
  // Some variants are chosen only when they are first needed: ask again after writing.
  useEffect(() => {
    if (info && resting)
      void client.ask('describe', null).then(
        (next) => (described.value = next),
        () => {},
      );
  }, [info, resting]);
  const description = described.value ?? info?.backend;
  const lacking = noWebGpu.value && (noWebGpu.value === 'none' ? t.noWebGpu : t.fellBack);
  return (
    <>
      <div class="soft device" role="status">
        <p class="which-device">{description && <OwnWords>{description.device}</OwnWords>}</p>
        {lacking && <p>{lacking}</p>}
      </div>
      <details class="kernels">
        <summary>{t.variants}</summary>
        {description && <Operations {...description} />}
      </details>
    </>
  );
}

function Operations({ operations, notes }: BackendDescription) {
  return (
    <OwnParagraphs>
      <dl>
        {Object.entries(operations).map(([operation, { variant, why }]) => (
          <div key={operation}>
            <dt>
              <code>{operation}</code>
            </dt>
            <dd>
              {variant}
              <small class="soft">{why}</small>
            </dd>
          </div>
        ))}
      </dl>
      <ul class="soft">
        {notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
    </OwnParagraphs>
  );
}
