import { useSignal } from '@preact/signals';
import type { WeightFormat } from '@mamba2/core';
import type { BackendName } from '@mamba2/model';
import { current, loadFailure, loading, model, notKept } from '../model/session.js';
import { noWebGpu } from '../model/webgpu.js';
import { Notice } from '../shell/notice.jsx';
import { busy as deskBusy, changeModel } from './desk.js';
import { wantsToken } from './hub-fields.jsx';
import { KernelTable } from './kernel-table.jsx';
import { LoadProgress } from './load-progress.jsx';
import { ModelPicker } from './model-picker.jsx';
import { text } from './text.js';

const backends: readonly BackendName[] = ['wasm', 'webgpu', 'reference'];
const formats: readonly WeightFormat[] = ['stored', 'q8', 'q4'];

/** Which model computes, where and how, and how to get another. */
export function ModelPanel() {
  const t = text.value;
  const info = model.value;
  const cancelled = useSignal(false);
  const busy = loading.value !== undefined || deskBusy.value;
  const change = async (wanted: Partial<typeof current.value>) => {
    cancelled.value = false;
    const there = await changeModel(wanted);
    if (!there && !loadFailure.value && !loading.value) cancelled.value = true;
  };
  const { backend, format } = current.value;
  return (
    <section class="panel model" aria-labelledby="model" aria-busy={loading.value !== undefined}>
      <h2 id="model">{t.model}</h2>
      <div class="which">
        {loading.value ? (
          <LoadProgress loading={loading.value} />
        ) : (
          info && (
            <p>
              <strong class="name">{info.name}</strong>
              <br />
              <span class="soft numbers">{t.parameters(info.parameters)}</span>
            </p>
          )
        )}
      </div>
      {cancelled.value && (
        <p class="soft" role="status">
          {t.cancelled}
        </p>
      )}
      {notKept.value && (
        <p class="soft" role="status">
          {t.notKept[notKept.value]}
        </p>
      )}
      {loadFailure.value && (
        <Notice
          title={[wantsToken() ? t.notOpen : t.modelFailed, ...(info ? [t.oldStays] : [])].join(' ')}
          failure={loadFailure.value}
          onDismiss={info && (() => (loadFailure.value = undefined))}
        >
          {!info && (
            <button type="button" class="primary" onClick={() => void change({ source: { kind: 'storyteller' } })}>
              {t.retry}
            </button>
          )}
        </Notice>
      )}
      <div class="choices">
        <label>
          <span>{t.backend}</span>
          <select
            value={backend}
            disabled={busy || !info}
            onChange={({ currentTarget }) => {
              const wanted = currentTarget.value as BackendName;
              currentTarget.value = backend;
              void change({ backend: wanted });
            }}
          >
            {backends.map((name) => (
              <option key={name} value={name} disabled={name === 'webgpu' && noWebGpu.value === 'none'}>
                {t.backends[name]}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>{t.format}</span>
          <select
            value={format}
            disabled={busy || !info}
            onChange={({ currentTarget }) => {
              const wanted = currentTarget.value as WeightFormat;
              currentTarget.value = format;
              void change({ format: wanted });
            }}
          >
            {formats.map((name) => (
              <option key={name} value={name}>
                {t.formats[name]}
              </option>
            ))}
          </select>
        </label>
      </div>
      <KernelTable />
      <ModelPicker busy={busy} onChoose={(source) => void change({ source })} />
    </section>
  );
}
