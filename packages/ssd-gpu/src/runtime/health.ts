import { DeviceError } from '@mamba2/core';

/** Whether a device still works, and what went wrong first: errors arrive later than the calls that caused them. */
export class Health {
  #failure: DeviceError | undefined;
  #checks = new Set<Promise<void>>();
  readonly #listeners = new Set<(failure: DeviceError) => void>();
  readonly #device: GPUDevice;

  /** @param owned whether errors on the device that nobody caught must be ours */
  constructor(device: GPUDevice, owned: boolean) {
    this.#device = device;
    if (owned)
      device.addEventListener('uncapturederror', ({ error }) => {
        // Whatever is still being asked about came before, and is the cause if it failed.
        void Promise.all(this.#checks).then(() => this.fail(describeError('an operation', error)));
      });
    void device.lost.then(({ reason, message }) =>
      this.fail(
        new DeviceError('the GPU device was lost', {
          given: `${reason}: ${message}`,
          fix: 'make another backend; states saved before still load',
        }),
      ),
    );
  }

  /** @throws DeviceError once the device failed or was disposed */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  get failure(): DeviceError | undefined {
    return this.#failure;
  }

  /** The first failure is the cause of all that follow, and the one that is kept. */
  fail(error: DeviceError): void {
    if (this.#failure) return;
    this.#failure = error;
    for (const listener of this.#listeners) listener(error);
  }

  /** From now on every call fails for this reason, and losing the device is no news. */
  dispose(): void {
    this.fail(new DeviceError('this backend was disposed', { fix: 'make another one' }));
  }

  onFailure(listener: (failure: DeviceError) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Runs `fn`; what WebGPU reports about it becomes a failure that the next {@link settled} throws. */
  watch<T>(what: string, filter: GPUErrorFilter, fn: () => T): T {
    this.#device.pushErrorScope(filter);
    try {
      return fn();
    } finally {
      const check = this.#device
        .popErrorScope()
        .then(
          (error) => error && this.fail(describeError(what, error)),
          () => {},
        )
        .then(() => void this.#checks.delete(check));
      this.#checks.add(check);
    }
  }

  /** Runs `fn` and tells what WebGPU has against it, which is nobody's failure. */
  async probe(what: string, fn: () => void): Promise<DeviceError | undefined> {
    let error: Promise<GPUError | null>;
    this.#device.pushErrorScope('validation');
    try {
      fn();
    } finally {
      error = this.#device.popErrorScope().catch(() => null);
    }
    const found = await error;
    return found ? describeError(what, found) : undefined;
  }

  /** Waits for every report about what was done before. @throws DeviceError */
  async settled(): Promise<void> {
    await Promise.all(this.#checks);
    this.check();
  }
}

function describeError(what: string, error: GPUError): DeviceError {
  const outOfMemory = typeof GPUOutOfMemoryError !== 'undefined' && error instanceof GPUOutOfMemoryError;
  return new DeviceError(outOfMemory ? `${what}: the GPU is out of memory` : `${what}: the GPU refused it`, {
    given: error.message,
    ...(outOfMemory && { fix: 'free tensors, use fewer slots or a smaller weight format, or the wasm backend' }),
    cause: error,
  });
}
