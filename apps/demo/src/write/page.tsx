import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { failureOf } from '../model/client.js';
import { client, ensureModel, loadFailure, model } from '../model/session.js';
import type { Failure } from '../model/protocol.js';
import { Notice } from '../shell/notice.jsx';
import { text } from './text.js';

const prompt = signal('Once upon a time');
const told = signal('');
const failure = signal<Failure | undefined>(undefined);
const running = signal<AbortController | undefined>(undefined);

async function write(): Promise<void> {
  const controller = (running.value = new AbortController());
  told.value = '';
  try {
    const { story } = await client.ask('begin', null);
    const sampling = { temperature: 0.8, topK: 0, topP: 1, minP: 0.05, repetitionPenalty: 1, seed: 1, maxTokens: 90 };
    await client.ask(
      'write',
      { story, prompt: prompt.value, sampling },
      {
        signal: controller.signal,
        onReport: ({ tokens }) => (told.value += tokens.map((token) => token.text).join('')),
      },
    );
  } catch (error) {
    failure.value = failureOf(error);
  } finally {
    running.value = undefined;
  }
}

/** The page at `#/write`. */
export function Page() {
  useEffect(() => void ensureModel(), []);
  const t = text.value;
  const problem = failure.value ?? loadFailure.value;
  return (
    <>
      <h1>{t.title}</h1>
      {problem && <Notice failure={problem} />}
      <label>
        {t.prompt}
        <textarea value={prompt.value} onInput={(event) => (prompt.value = event.currentTarget.value)} />
      </label>
      <div class="actions">
        <button type="button" class="primary" disabled={!model.value || !!running.value} onClick={write}>
          {t.write}
        </button>
        <button type="button" disabled={!running.value} onClick={() => running.value?.abort()}>
          {t.stop}
        </button>
      </div>
      <p class="story">{told.value}</p>
    </>
  );
}
