/** Lets a long computation report, be aborted and leave time to others: about ten times a second. */
export class Pace<P> {
  #last = performance.now();

  constructor(
    private readonly onProgress: ((progress: P) => void) | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {
    signal?.throwIfAborted();
  }

  /** Whether it is time for `pause`. */
  get due(): boolean {
    return performance.now() - this.#last > 100;
  }

  /** Reports, lets other tasks run, and throws the signal's reason if it was aborted. */
  async pause(progress: P): Promise<void> {
    this.onProgress?.(progress);
    await new Promise((resolve) => setTimeout(resolve));
    this.signal?.throwIfAborted();
    this.#last = performance.now();
  }
}
