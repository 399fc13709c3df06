import { signal } from '@preact/signals';
import type { Stopped } from '@mamba2/model';
import { failureOf } from '../model/client.js';
import type { Failure, StoryToken } from '../model/protocol.js';
import { client } from '../model/session.js';
import { samplingWith } from './sampling.js';

/** A token as the page shows it. */
export interface Told extends StoryToken {
  /** Whether the model drew it; otherwise someone wrote it. */
  drawn: boolean;
}

/** How fast the last writing went, and why it ended. */
export interface Outcome {
  stopped: Stopped;
  generated: number;
  seconds: number;
}

/** One line of telling: a story in the worker and all that the page knows of it. */
export class Branch {
  /** The worker's name for it; undefined until it is begun. */
  #story: number | undefined;
  readonly tokens = signal<readonly Told[]>([]);
  /** Tokens before the first known one, which only the state remembers. */
  readonly unknown = signal(0);
  readonly running = signal<AbortController | undefined>(undefined);
  /** Whether the story is being taken back, copied, saved or exchanged. */
  readonly changing = signal(false);
  readonly outcome = signal<Outcome | undefined>(undefined);
  readonly failure = signal<Failure | undefined>(undefined);
  readonly seed = signal(1);
  /** Goes up whenever the state has changed and is at rest. */
  readonly settled = signal(0);
  /** Tokens per second of the writing under way. */
  readonly rate = signal<number | undefined>(undefined);

  constructor(story?: number) {
    this.#story = story;
  }

  get length(): number {
    return this.unknown.value + this.tokens.value.length;
  }

  get text(): string {
    return this.tokens.value.map(({ text }) => text).join('');
  }

  /** The worker's story, begun if it wasn't. */
  async story(): Promise<number> {
    this.#story ??= (await client.ask('begin', null)).story;
    return this.#story;
  }

  /**
   * Takes in a prompt and goes on from it until its length is reached or someone stops it.
   * @returns whether the prompt has become part of the story
   */
  async write(prompt: string): Promise<boolean> {
    if (this.running.value) return false;
    const controller = new AbortController();
    this.running.value = controller;
    this.failure.value = this.outcome.value = this.rate.value = undefined;
    const arrived = collect((tokens) => (this.tokens.value = [...this.tokens.value, ...tokens]));
    let drawn = 0;
    let began = 0;
    let taken = prompt === '';
    try {
      const ask = { story: await this.story(), prompt, sampling: samplingWith(this.seed.value) };
      this.outcome.value = await client.ask('write', ask, {
        signal: controller.signal,
        onReport: ({ tokens, prompt }) => {
          arrived.add(tokens.map((token) => ({ ...token, drawn: !prompt })));
          taken = true;
          if (prompt) return;
          began ||= performance.now();
          drawn += tokens.length;
          if (drawn > 8) this.rate.value = (1000 * (drawn - 1)) / (performance.now() - began);
        },
      });
    } catch (error) {
      if (!controller.signal.aborted) this.failure.value = failureOf(error);
    } finally {
      arrived.flush();
      this.running.value = undefined;
      this.settled.value++;
    }
    return taken;
  }

  stop(): void {
    this.running.value?.abort();
  }

  /** Goes back to the first `length` tokens. */
  async rewind(length: number): Promise<void> {
    await this.#change(async (story) => {
      const reached = await client.ask('rewind', { story, length });
      this.tokens.value = this.tokens.value.slice(0, reached.length - this.unknown.value);
    });
  }

  /** A second branch with the same past. */
  async fork(): Promise<Branch | undefined> {
    let copy: Branch | undefined;
    await this.#change(async (story) => {
      copy = new Branch((await client.ask('fork', { story })).story);
      copy.tokens.value = this.tokens.value;
      copy.unknown.value = this.unknown.value;
      copy.settled.value++;
    });
    return copy;
  }

  /** The state as a file's bytes; undefined if that failed. */
  async save(): Promise<Uint8Array | undefined> {
    let saved: Uint8Array | undefined;
    await this.#change(async (story) => {
      saved = await client.ask('save', { story });
    });
    return saved;
  }

  /** Puts a saved state in place of what there is. With `tokens`, they are known to be what led to it. */
  async restore(saved: Uint8Array, tokens: readonly Told[] = []): Promise<void> {
    await this.#change(async (old) => {
      const past = tokens.map(({ id, drawn }) => ({ id, drawn }));
      const { story, length } = await client.ask('restore', { saved, past });
      this.#story = story;
      this.tokens.value = tokens;
      this.unknown.value = length - tokens.length;
      await client.ask('end', { story: old });
    });
  }

  /** Forgets everything. */
  async end(): Promise<void> {
    this.stop();
    const story = this.#story;
    this.forget();
    if (story !== undefined) await client.ask('end', { story }).catch(() => {});
  }

  /** Lets go of the worker's story, which is gone with its model. */
  forget(): void {
    this.#story = undefined;
    this.tokens.value = [];
    this.unknown.value = 0;
    this.outcome.value = this.failure.value = this.rate.value = undefined;
    this.settled.value++;
  }

  /** Runs something that changes the story at rest; what goes wrong is shown. */
  async #change(action: (story: number) => Promise<void>): Promise<void> {
    this.failure.value = undefined;
    this.changing.value = true;
    try {
      await action(await this.story());
      this.outcome.value = undefined;
    } catch (error) {
      this.failure.value = failureOf(error);
    }
    this.changing.value = false;
    this.settled.value++;
  }
}

/** Tokens come faster than a screen shows them: hands them on once a frame. */
function collect(hand: (tokens: Told[]) => void): { add(tokens: Told[]): void; flush(): void } {
  let waiting: Told[] = [];
  let frame = 0;
  const flush = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    if (waiting.length > 0) hand(waiting);
    waiting = [];
  };
  return {
    add(tokens) {
      waiting.push(...tokens);
      frame ||= requestAnimationFrame(flush);
    },
    flush,
  };
}
