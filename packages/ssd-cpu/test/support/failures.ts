import { type Backend, DeviceError, stored } from '@mamba2/core';
import { describe, expect, it } from 'vitest';

/** Anything that can be killed. */
interface Mortal {
  terminate(): unknown;
}

/** A backend, the workers it started, and how to wait until they have nothing to do. */
export type WithWorkers = (
  threads: number,
) => Promise<{ backend: Backend; workers: readonly Mortal[]; idle: () => Promise<void> }>;

/** Work for about a second: products of 1024 × 1024. */
export function launchWork(backend: Backend): Promise<unknown> {
  const weight = backend.weight(stored(new Float32Array(2 ** 20), [1024, 1024]));
  let x = backend.upload(new Float32Array(2 ** 20), [1024, 1024]);
  const y = backend.scope(() => {
    for (let i = 0; i < 20; i++) x = backend.linear(x, weight);
    return x;
  });
  return backend.read(y);
}

/** Lets what is queued go out to the workers. */
const turn = () => new Promise((resolve) => setTimeout(resolve));

/** What happens when workers die or a backend ends while work is under way, in Node and in a browser. */
export function failureTests(threadCounts: readonly number[], withWorkers: WithWorkers): void {
  describe('a worker that dies', () => {
    const each = threadCounts.flatMap((threads) => [...Array(threads).keys()].map((k) => [k + 1, threads] as const));

    it.each(each)(
      '%i of %i, mid-run: what is awaited is a DeviceError, and so is everything after it',
      async (number, threads) => {
        const { backend, workers } = await withWorkers(threads);
        expect(workers).toHaveLength(threads);
        const work = async () => {
          // A browser leaves a worker that hears no messages two seconds, in which it goes on.
          for (;;) await launchWork(backend);
        };
        const checked = expect(work()).rejects.toThrow(DeviceError);
        await turn();
        await workers[number - 1]!.terminate();
        await checked;
        expect(() => backend.upload([1])).toThrow(DeviceError);
        expect(() => backend.scope(() => 0)).toThrow(DeviceError);
        backend.dispose();
      },
    );

    it('while a weight is on its way takes it along', async () => {
      const { backend, workers } = await withWorkers(1);
      const pieces = (async function* () {
        yield new Uint8Array(64);
        await workers[0]!.terminate();
        // Until the death is noticed pieces go where no one takes them.
        for (;;) {
          await turn();
          yield new Uint8Array(0);
        }
      })();
      const weight = backend.weightFrom({ dtype: 'f32', shape: [4, 8], pieces });
      await expect(weight).rejects.toThrow(DeviceError);
      backend.dispose();
    });

    it.each(each)(
      '%i of %i, while it has nothing to do: is noticed by the calls that wait',
      async (number, threads) => {
        const { backend, workers, idle } = await withWorkers(threads);
        const t = backend.upload([1, 2]);
        await backend.read(t);
        await idle();
        await workers[number - 1]!.terminate();
        // Whatever was under way when the death was noticed; then every call.
        const read = async () => {
          for (;;) await backend.read(backend.add(t, t));
        };
        await expect(read()).rejects.toThrow(DeviceError);
        backend.dispose();
      },
    );
  });

  describe('dispose', () => {
    it('ends what is under way, with a DeviceError for whoever waits', async () => {
      const { backend } = await withWorkers(threadCounts.at(-1)!);
      const checked = expect(launchWork(backend)).rejects.toThrow(DeviceError);
      await turn();
      backend.dispose();
      await checked;
      expect(() => backend.zeros([1])).toThrow(DeviceError);
    });

    it('in the turn in which the work was queued, too', async () => {
      const { backend } = await withWorkers(threadCounts.at(-1)!);
      const checked = expect(launchWork(backend)).rejects.toThrow(DeviceError);
      backend.dispose();
      await checked;
    });
  });

  it('more memory than there can be is a DeviceError that says what to do, and nothing is lost', async () => {
    const { backend } = await withWorkers(threadCounts.at(-1)!);
    const t = backend.upload([1, 2]);
    expect(() => backend.zeros([2 ** 30 + 1])).toThrow(DeviceError);
    expect(() => backend.zeros([2 ** 30 + 1])).toThrow(/4\.00 GiB in all; expected: at most 4 GiB; to mend it: .*q8/);
    expect(Array.from(await backend.read(backend.add(t, t)))).toEqual([2, 4]);
    backend.dispose();
  });
}
