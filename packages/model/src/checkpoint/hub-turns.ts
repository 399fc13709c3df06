import { orAbort } from './file.js';

type Fs = typeof import('node:fs/promises');
type Os = typeof import('node:os');

/** What is asked of Node about processes. */
interface Processes {
  readonly pid: number;
  kill(pid: number, signal: 0): unknown;
}

/** Who is at work: the text of a lock. */
interface Owner {
  /** Where `pid` means something. */
  readonly machine: string;
  readonly pid: number;
  /** The name, beside the lock's, of the file that it fills. */
  readonly part: string;
}

/** What those who wait want. */
export interface Waiting {
  /** Told now and then: bytes in the part of whoever is at work. */
  readonly onElsewhere: (bytes: number) => void;
  /** Ends waiting. */
  readonly signal: AbortSignal;
}

/** How often an owner shows that it is there, and how long it may fail to before it is not waited for any longer; how often a lock is looked at. In milliseconds. */
const beat = 5_000;
const patience = 60_000;
const pause = 200;

/**
 * Processes take turns: a file is a lock, made by whoever finds none, touched while its owner works, removed when that ends. A lock is passed by when its
 * owner is gone: at once where processes can be asked about, else once it was not touched for a minute. Nothing but time depends on this: two that work
 * at once do the same work twice, each in a part of its own.
 */
export class Turns {
  private constructor(
    private readonly fs: Fs,
    private readonly processes: Processes,
    private readonly machine: string,
  ) {}

  static async of(fs: Fs, os: Os, processes: Processes): Promise<Turns> {
    // Containers share a kernel and perhaps a name, but not their processes.
    const known = await Promise.all([
      fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
      fs.readlink('/proc/self/ns/pid').catch(() => ''),
    ]);
    return new Turns(fs, processes, [os.hostname(), ...known.map((text) => text.trim())].join(' '));
  }

  /**
   * Runs `work`, which fills `part`, a name beside the lock's, once no other process works under the lock.
   * @param leave takes the part of an owner that is certainly gone
   * @throws what `work` throws; the signal's reason when it aborts before `work` begins
   */
  async take<T>(
    lock: string,
    part: string,
    work: () => Promise<T>,
    leave: (part: string) => Promise<void>,
    waiting: Waiting,
  ): Promise<T> {
    const own = JSON.stringify({ machine: this.machine, pid: this.processes.pid, part } satisfies Owner);
    while (!(await this.#make(lock, own))) await this.#wait(lock, leave, waiting);
    const beating = setInterval(() => {
      const now = new Date();
      this.fs.utimes(lock, now, now).catch(() => {});
    }, beat);
    beating.unref?.();
    try {
      return await work();
    } finally {
      clearInterval(beating);
      if ((await this.#read(lock))?.text === own) await this.fs.rm(lock, { force: true });
    }
  }

  /** Makes the lock, with its text, unless there is one. */
  async #make(lock: string, text: string): Promise<boolean> {
    return this.fs.writeFile(lock, text, { flag: 'wx' }).then(
      () => true,
      (error: unknown) => {
        if ((error as { code?: unknown }).code === 'EEXIST') return false;
        throw error;
      },
    );
  }

  /** Until the lock is worth another try: a moment, or no time if its owner is gone. */
  async #wait(lock: string, leave: (part: string) => Promise<void>, { onElsewhere, signal }: Waiting): Promise<void> {
    const seen = await this.#read(lock);
    if (!seen) return;
    const { text, owner, touched } = seen;
    const isGone = owner?.machine === this.machine && !this.#isAlive(owner.pid);
    if (isGone || Date.now() - touched > patience) {
      // What is left is put aside first: once the lock is gone, another may begin.
      if (isGone) await leave(owner.part);
      await this.#remove(lock, text);
      signal.throwIfAborted();
      return;
    }
    const stats = owner && (await this.fs.stat(beside(lock, owner.part)).catch(() => undefined));
    if (stats) onElsewhere(stats.size);
    await orAbort(new Promise((resolve) => setTimeout(resolve, pause)), signal);
  }

  /** Removes the lock with this text, and no later one: of several that try, one gets to rename it. */
  async #remove(lock: string, text: string): Promise<void> {
    const aside = `${lock}.${crypto.randomUUID().slice(0, 8)}`;
    const isMine = await this.fs.rename(lock, aside).then(() => true, unlessMissing);
    if (!isMine) return;
    if ((await this.#read(aside))?.text !== text) await this.fs.link(aside, lock).catch(() => {});
    await this.fs.rm(aside, { force: true });
  }

  async #read(lock: string): Promise<{ text: string; owner: Owner | undefined; touched: number } | undefined> {
    try {
      const text = await this.fs.readFile(lock, 'utf8');
      return { text, owner: parsed(text), touched: (await this.fs.stat(lock)).mtimeMs };
    } catch (error) {
      return unlessMissing(error);
    }
  }

  #isAlive(pid: number): boolean {
    try {
      this.processes.kill(pid, 0);
      return true;
    } catch (error) {
      // A process of someone else is there, too.
      return (error as { code?: unknown }).code !== 'ESRCH';
    }
  }
}

/** The path of another name in a file's folder. */
const beside = (file: string, name: string) => file.replace(/[^\\/]*$/, name);

/** @throws the error, unless it says that a file is not there */
function unlessMissing(error: unknown): undefined {
  if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
}

/** undefined for a lock that is being written, or that something else wrote. */
function parsed(text: string): Owner | undefined {
  try {
    const { machine, pid, part } = JSON.parse(text) as Partial<Record<keyof Owner, unknown>>;
    const isOwner = typeof machine === 'string' && Number.isSafeInteger(pid) && typeof part === 'string';
    return isOwner ? { machine, pid: pid as number, part } : undefined;
  } catch {
    return undefined;
  }
}
