import { computed, effect, signal, untracked } from '@preact/signals';
import { load, model } from '../model/session.js';
import { Branch, type Told } from './branch.js';
import { anySeed, seed } from './sampling.js';

/** What is being written: one branch, or two once it has been forked. */
export const branches = signal<readonly Branch[]>([new Branch()]);

/** The words in the box: the opening of a story, or what someone adds to it. */
export const draft = signal('Once upon a time');

/** Whether anything is being written now. */
export const writing = computed(() => branches.value.some(({ running }) => running.value !== undefined));

/** Whether a story is being written or changed: nothing else can be begun meanwhile. */
export const busy = computed(() => writing.value || branches.value.some(({ changing }) => changing.value));

/** The token that is looked at: of which branch, and which one. */
export const selected = signal<{ branch: Branch; index: number } | undefined>(undefined);

/** How many tokens two branches share. */
export const shared = computed(() => {
  const [a, b] = branches.value.map(({ tokens }) => tokens.value);
  if (!a || !b) return 0;
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length]!.id === b[length]!.id) length++;
  return length;
});

/** Goes on with every branch, each with its own seed, from what stands in the box. */
export async function write(which: readonly Branch[] = branches.value): Promise<void> {
  const prompt = draft.value;
  const fresh = which.length === 1 && which[0]!.length === 0;
  if (fresh) which[0]!.seed.value = seed.value;
  draft.value = '';
  const taken = await Promise.all(which.map((branch) => branch.write(prompt)));
  // Words that did not get into the story are not lost.
  if (!taken.includes(true)) draft.value ||= prompt;
}

/** Where the model's part begins: behind the last token that someone wrote. */
export function opening(tokens: readonly Told[]): number {
  return tokens.findLastIndex(({ drawn }) => !drawn) + 1;
}

/** Goes back to the end of the opening and tells it once more, with another seed. */
export async function tellDifferently(branch: Branch): Promise<void> {
  branch.seed.value = seed.value = anySeed();
  await branch.rewind(branch.unknown.value + opening(branch.tokens.value));
  if (!branch.failure.value) await branch.write('');
}

/** Splits the story in two that share their past; the second gets another seed. */
export async function fork(): Promise<void> {
  const [first] = branches.value;
  const second = await first!.fork();
  if (!second) return;
  second.seed.value = (first!.seed.value + 1) % 2 ** 31;
  branches.value = [first!, second];
}

/** Goes on with one of the two only. */
export async function keepOnly(branch: Branch): Promise<void> {
  const others = branches.value.filter((other) => other !== branch);
  branches.value = [branch];
  await Promise.all(others.map((other) => other.end()));
}

/** Puts everything away. */
export async function startOver(): Promise<void> {
  const [first, second] = branches.value;
  selected.value = undefined;
  branches.value = [first!];
  await Promise.all([first!.end(), second?.end()]);
  draft.value = 'Once upon a time';
}

let carrying = false;

/**
 * Loads a model, or the same one on another backend. What was written is carried over where the model is the same, since states go from
 * backend to backend.
 * @returns whether the model is there
 */
export async function changeModel(wanted: Parameters<typeof load>[0]): Promise<boolean> {
  for (const branch of branches.value) branch.stop();
  const written = branches.value.filter(({ length }) => length > 0);
  const kept = await Promise.all(written.map((branch) => branch.save()));
  const before = model.value?.fingerprint;
  carrying = true;
  try {
    if (!(await load(wanted))) return false;
    if (model.value?.fingerprint !== before) return forgetAll();
    // Empty ones, too, may have been begun with the model that is gone.
    for (const branch of branches.value) if (!written.includes(branch)) branch.forget();
    for (const [i, branch] of written.entries()) {
      const saved = kept[i];
      const tokens = branch.tokens.value;
      branch.forget();
      if (saved) await branch.restore(saved, tokens);
    }
    return true;
  } finally {
    carrying = false;
  }
}

function forgetAll(): true {
  selected.value = undefined;
  branches.value = [new Branch()];
  draft.value ||= 'Once upon a time';
  return true;
}

// A model that another page loaded took the stories of the one before with it.
let known = model.value;
effect(() => {
  const next = model.value;
  if (known !== undefined && next !== known && !carrying) untracked(forgetAll);
  known = next;
});
