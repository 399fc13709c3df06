/** What the Duality page looks at: a sentence, what the model made of it, and one of its heads. */

import { computed, effect, signal, untracked } from '@preact/signals';
import type { InspectedLayer } from '@mamba2/model';
import { number } from '../i18n/i18n.js';
import { failureOf } from '../model/client.js';
import type { Failure, TokenInfo } from '../model/protocol.js';
import { client, ensureModel, loadFailure, model } from '../model/session.js';
import type { Cell } from '../figures/heat-map.jsx';
import found from './examples.json';
import { factorsOf, headOf } from './head.js';
import { text } from './text.js';

/** A sentence and head that the script found. */
export interface Example {
  readonly measure: 'focus' | 'reset' | 'words';
  readonly text: string;
  readonly layer: number;
  readonly head: number;
  readonly measures: Readonly<Record<string, number>>;
}

export const examples = found as readonly Example[];

/** The most tokens whose matrices are drawn: cells of three pixels on a phone. */
export const MOST_TOKENS = 96;

/** What the model made of a sentence. */
interface Read {
  readonly text: string;
  /** The text of each token, as axes show it. */
  readonly names: readonly string[];
  readonly layers: readonly InspectedLayer[];
}

export const sentence = signal(examples[0]!.text);
export const read = signal<Read | undefined>(undefined);
export const reading = signal(false);
export const failure = signal<Failure | undefined>(undefined);
/** What stands in the way of a matrix: {@link failure}, or that no model came. */
export const failed = computed(() => failure.value ?? (model.value ? undefined : loadFailure.value));
/** Which of `read.layers`, not which layer of the model. */
export const layerAt = signal(0);
export const headAt = signal(0);
/** The cell that all matrices of the section show. */
export const cursor = signal<Cell | undefined>(undefined);

export const layer = computed(() => read.value?.layers[layerAt.value]);
export const head = computed(() => {
  const chosen = layer.value;
  return chosen && headOf(chosen, Math.min(headAt.value, chosen.A.data.length - 1));
});
export const factors = computed(() => head.value && factorsOf(head.value));
/** The example that is shown, if it is one. */
export const example = computed(() =>
  examples.find(
    (e) => e.text === read.value?.text && e.layer === layer.value?.layer && e.head === headAt.value && isStoryteller(),
  ),
);

/** The examples were found in the storyteller. */
function isStoryteller(): boolean {
  return model.value?.name === 'storyteller';
}

/** Has the model read what is typed. What goes wrong stands in {@link failure}, and what was there stays. */
export async function readSentence(wanted: { text?: string; layer?: number; head?: number } = {}): Promise<void> {
  if (wanted.text !== undefined) sentence.value = wanted.text;
  const asked = sentence.value;
  failure.value = undefined;
  const t = text.value;
  if (asked === '') {
    failure.value = { name: '', message: t.empty, fix: t.emptyFix };
    return;
  }
  reading.value = true;
  try {
    if (!(await ensureModel())) {
      failure.value = loadFailure.value;
      return;
    }
    const tokens = await client.ask('tokenize', { text: asked });
    if (tokens.length > MOST_TOKENS) {
      const message = t.tooLong(number(tokens.length), number(MOST_TOKENS));
      failure.value = { name: '', message, fix: t.tooLongFix };
      return;
    }
    const { layers } = await client.ask('inspect', { text: asked });
    if (layers.length === 0) {
      failure.value = { name: '', message: t.noLayers, fix: t.noLayersFix };
      return;
    }
    cursor.value = undefined;
    read.value = { text: asked, names: namesOf(asked, tokens), layers };
    layerAt.value = Math.max(
      0,
      wanted.layer === undefined
        ? Math.min(layerAt.value, layers.length - 1)
        : layers.findIndex((each) => each.layer === wanted.layer),
    );
    if (wanted.head !== undefined) headAt.value = wanted.head;
  } catch (error) {
    failure.value = failureOf(error);
  } finally {
    reading.value = false;
  }
}

/** Reads the sentence once a page wants it, and again whenever another model is there. */
export function followModel(): () => void {
  let known: string | undefined;
  return effect(() => {
    const now = model.value?.fingerprint;
    if (now === known && known !== undefined) return;
    known = now;
    if (now !== undefined)
      untracked(() => void readSentence(read.value === undefined && isStoryteller() ? examples[0] : {}));
  });
}

/** What axes call the tokens: their text without the space before, or how the vocabulary writes parts of a character. */
function namesOf(whole: string, tokens: readonly TokenInfo[]): string[] {
  const points = Array.from(whole);
  return tokens.map(({ token, offsets: [start, end] }) => {
    const plain = points.slice(start, end).join('');
    if (plain === '' || plain.includes('\uFFFD')) return token;
    if (/^\n+$/.test(plain)) return '⏎';
    return plain.trim() === '' ? '␣' : plain.trim();
  });
}
