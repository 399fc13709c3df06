import { ArgumentError } from '@mamba2/core';
import { keptModels, type Mamba2, readSafetensors, removeKeptModel, type State } from '@mamba2/model';
import type { Tokenizer } from '@mamba2/tokenizer';
import { loadFrom } from './load.js';
import type { ModelInfo, StateLayer, StoryToken, TokenInfo } from './protocol.js';
import { serve } from './serve.js';
import { discard, keep as keepFiles, kept } from './shelf.js';
import { Story } from './story.js';

let loaded: Mamba2 | undefined;
const stories = new Map<number, Story>();
let nextStory = 0;

serve({
  async load({ source, backend, format }, { report, signal }) {
    const { model, notKept } = await loadFrom(source, { backend, dtype: format, signal, onProgress: report });
    for (const story of stories.values()) story.dispose();
    stories.clear();
    loaded?.dispose();
    loaded = model;
    return { info: infoOf(model), notKept };
  },

  shelf: async () => ({ hubs: await keptModels(), others: await kept() }),

  keep: ({ name, files }) => keepFiles(name, files),

  async discard(which) {
    await ('hub' in which ? removeKeptModel(which.hub.id, which.hub.revision) : discard(which.name));
    return null;
  },

  describe: async () => ready().backend.describe(),

  async tokenize({ text }) {
    const tokenizer = tokenizerOf(ready());
    const { ids, offsets } = tokenizer.encode(text);
    return ids.map((id, i) => tokenInfo(tokenizer, id, offsets[i]!));
  },

  async tokens({ ids }) {
    const tokenizer = tokenizerOf(ready());
    return ids.map((id) => tokenInfo(tokenizer, id, [0, 0]));
  },

  async inspect({ text }) {
    const model = ready();
    const tokenizer = tokenizerOf(model);
    const { ids, offsets } = tokenizer.encode(text);
    return { tokens: ids.map((id, i) => tokenInfo(tokenizer, id, offsets[i]!)), layers: await model.inspect(ids) };
  },

  begin: async () => ({ story: keep(new Story(ready())) }),

  async write({ story, prompt, sampling }, { report, signal }) {
    const told = gather<StoryToken>((tokens) => report({ tokens, prompt: false }));
    const onTokens = (tokens: StoryToken[], isPrompt: boolean) =>
      isPrompt ? report({ tokens, prompt: true }) : told.add(tokens);
    try {
      return await find(story).write(prompt, sampling, onTokens, signal);
    } finally {
      told.flush();
    }
  },

  async rewind({ story, length }) {
    const found = find(story);
    await found.rewind(length);
    return { length: found.length };
  },

  fork: async ({ story }) => ({ story: keep(find(story).fork()) }),

  save: ({ story }) => find(story).state.save(),

  async restore({ saved, past }) {
    const model = ready();
    const story = Story.from(model, await model.loadState(saved), past);
    return { story: keep(story), length: story.length };
  },

  state: ({ story }) => numbersOf(find(story).state),

  async end({ story }) {
    stories.get(story)?.dispose();
    stories.delete(story);
    return null;
  },
});

/** Hands on what comes at most every so many milliseconds: telling of every token by itself takes a third of the time on a machine of two cores. */
function gather<T>(hand: (items: T[]) => void, pause = 40): { add(items: T[]): void; flush(): void } {
  let waiting: T[] = [];
  let last = 0;
  const flush = () => {
    if (waiting.length > 0) hand(waiting);
    waiting = [];
    last = performance.now();
  };
  return {
    add(items) {
      waiting.push(...items);
      if (performance.now() - last >= pause) flush();
    },
    flush,
  };
}

function ready(): Mamba2 {
  if (loaded) return loaded;
  throw new ArgumentError('no model is loaded yet', { fix: 'load one first' });
}

function tokenizerOf({ tokenizer }: Mamba2): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new ArgumentError('this model has no tokenizer', { fix: 'load a checkpoint that has a tokenizer.json' });
}

function keep(story: Story): number {
  stories.set(nextStory, story);
  return nextStory++;
}

function find(story: number): Story {
  const found = stories.get(story);
  if (found) return found;
  throw new ArgumentError('this story has ended', { fix: 'begin a new one' });
}

function infoOf(model: Mamba2): ModelInfo {
  const state = model.newState();
  const stateBytes = state.byteLength;
  state.dispose();
  const { name, parameters, byteLength, config, fingerprint } = model;
  const hasTokenizer = model.tokenizer !== undefined;
  return {
    name,
    parameters,
    byteLength,
    stateBytes,
    hasTokenizer,
    config,
    fingerprint,
    backend: model.backend.describe(),
  };
}

function tokenInfo(tokenizer: Tokenizer, id: number, offsets: readonly [number, number]): TokenInfo {
  if (id >= tokenizer.vocabSize)
    return { id, token: '', offsets, bytes: new Uint8Array(0), special: false, merges: [] };
  return {
    id,
    token: tokenizer.token(id),
    offsets,
    bytes: tokenizer.tokenBytes(id),
    special: tokenizer.isSpecial(id),
    merges: tokenizer.mergeSteps(id),
  };
}

/** The numbers of a state, through the file that it is saved as. */
async function numbersOf(state: State): Promise<StateLayer[]> {
  const { tensors } = await readSafetensors('the state', await state.save());
  return Array.from(tensors).flatMap(([name, { shape, bytes }]) => {
    const layer = /^layers\.(\d+)\.ssm$/.exec(name)?.[1];
    if (layer === undefined) return [];
    const columns = shape.at(-1)!;
    const values = new Float32Array(Uint8Array.from(bytes).buffer);
    return [{ layer: Number(layer), rows: values.length / columns, columns, values }];
  });
}
