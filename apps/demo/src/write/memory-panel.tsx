import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { failureOf } from '../model/client.js';
import type { Failure, StateLayer } from '../model/protocol.js';
import { client, model } from '../model/session.js';
import { Notice } from '../shell/notice.jsx';
import { theme } from '../shell/theme.js';
import type { Branch } from './branch.js';
import { branches, busy, draft } from './desk.js';
import { download } from './files.js';
import { drawState } from './state-picture.js';
import { text } from './text.js';

/** The most numbers of a state that are drawn. */
const MOST_DRAWN = 2 ** 20;

/** The state as what it is: a fixed number of kilobytes, to look at, to keep and to come back to. */
export function MemoryPanel() {
  const t = text.value;
  const info = model.value;
  const failure = useSignal<Failure | undefined>(undefined);
  const said = useSignal('');
  const [first] = branches.value;
  const picker = useRef<HTMLInputElement>(null);

  const save = async (branch: Branch, name: string) => {
    const saved = await branch.save();
    if (!saved) return;
    download(saved, `${info?.name ?? 'mamba2'}${name}-${branch.length}-tokens.state.safetensors`);
    said.value = t.saved(saved.byteLength);
  };
  const restore = async (file: File | undefined) => {
    if (!file) return;
    failure.value = undefined;
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const failed = await restoreInto(first!, bytes);
      if (failed) throw failed;
      said.value = t.restored(first!.length);
      draft.value = '';
    } catch (error) {
      failure.value = failureOf(error);
    }
  };

  const two = branches.value.length > 1;
  const idle = info !== undefined && !busy.value;
  return (
    <section class="panel memory" aria-labelledby="memory">
      <h2 id="memory">{t.memory}</h2>
      <p>{info ? t.memoryLead(info.stateBytes) : '\u00a0'}</p>
      <div class={two ? 'pictures two' : 'pictures'}>
        {branches.value.map((branch, i) => (
          <Picture key={i} branch={branch} name={two ? (i === 0 ? t.branch.a : t.branch.b) : undefined} />
        ))}
      </div>
      <p class="soft note">{t.pictureScale}</p>
      <div class="actions">
        {branches.value.map((branch, i) => (
          <button
            key={i}
            type="button"
            disabled={!idle || branch.length === 0}
            onClick={() => void save(branch, two ? (i === 0 ? '-a' : '-b') : '')}
          >
            {t.save}
            {two && ` (${i === 0 ? t.branch.a : t.branch.b})`}
          </button>
        ))}
        {!two && (
          <button type="button" disabled={!idle} onClick={() => picker.current?.click()}>
            {t.load}
          </button>
        )}
        <input
          ref={picker}
          type="file"
          hidden
          accept=".safetensors"
          data-picks="state"
          onChange={({ currentTarget }) => {
            void restore(currentTarget.files?.[0]);
            currentTarget.value = '';
          }}
        />
        <span class="soft" role="status">
          {said.value}
        </span>
      </div>
      {failure.value && (
        <Notice title={t.loadFailed} failure={failure.value} onDismiss={() => (failure.value = undefined)} />
      )}
    </section>
  );
}

/** Puts a saved state in place of a branch's; what went wrong, if something did: then the branch is as before. */
async function restoreInto(branch: Branch, saved: Uint8Array): Promise<Error | undefined> {
  await branch.restore(saved);
  const failure = branch.failure.value;
  branch.failure.value = undefined;
  return failure && Object.assign(new Error(failure.message), failure);
}

function Picture({ branch, name }: { branch: Branch; name: string | undefined }) {
  const t = text.value;
  const canvas = useRef<HTMLCanvasElement>(null);
  const layers = useSignal<readonly StateLayer[]>([]);
  const total = useSignal(0);
  const settled = branch.settled.value;
  const shown = theme.value;
  useEffect(() => {
    if (!model.value) return;
    let stale = false;
    void (async () => {
      const all = await client.ask('state', { story: await branch.story() }).catch(() => undefined);
      if (stale || !all) return;
      total.value = all.length;
      let left = MOST_DRAWN;
      layers.value = all.filter(({ values }) => (left -= values.length) >= 0);
    })();
    return () => void (stale = true);
  }, [branch, settled, model.value]);
  useEffect(() => drawState(canvas.current!, layers.value), [layers.value, shown]);
  const [layer] = layers.value;
  const label = layer ? t.picture(layers.value.length, layer.rows, layer.columns) : '';
  return (
    <figure>
      <canvas ref={canvas} role="img" aria-label={`${label} ${t.memoryNow(branch.length)}`} />
      <figcaption class="soft numbers">
        {name !== undefined && <strong>{name}. </strong>}
        {t.memoryNow(branch.length)} {label}{' '}
        {layers.value.length < total.value && t.pictureOf(layers.value.length, total.value)}
      </figcaption>
    </figure>
  );
}
