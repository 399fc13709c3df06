import { fileURLToPath } from 'node:url';

import { DeviceError } from '@mamba2/core';
import { afterEach, describe, expect, test, vi } from 'vitest';

import {
  type ScanTasks,
  type TaskSet,
  type WorkerPool,
  threadedPrefixSum,
  threadedRecurrence,
  threadedSelectiveScan,
  workerPool,
} from '../src/threads/index.js';
import { scriptOf } from '../scripts/worker-source.js';
import * as tasks from './support/tasks.js';

/** Tasks that misbehave, made into text as a user of the pool would. */
const set: TaskSet<typeof tasks> = {
  source: await scriptOf(fileURLToPath(new URL('support/worker.ts', import.meta.url))),
  tasks,
};

const pools: { stop(): void }[] = [];
async function poolOf(threads: number): Promise<WorkerPool<typeof tasks>> {
  const pool = await workerPool({ threads, tasks: set });
  pools.push(pool);
  return pool;
}
afterEach(() => {
  vi.unstubAllGlobals();
  for (const pool of pools.splice(0)) pool.stop();
});

describe('runs', () => {
  test('a task on every lane, each told which it is', async () => {
    const pool = await poolOf(3);
    expect(await pool.run('whoAmI', undefined)).toEqual(['0 of 3', '1 of 3', '2 of 3']);
    expect(await pool.run('whoAmI', undefined, { lanes: 2 })).toEqual(['0 of 2', '1 of 2']);
    expect(pool.describe()).toEqual({
      threads: 3,
      runsOn: 'worker threads',
      why: 'shared memory and worker threads are available',
    });
  });

  test('lanes meet at barriers: nobody is a round ahead', async () => {
    const pool = await poolOf(3);
    const counts = new Int32Array(pool.allocate(4));
    const rounds = 500;
    // After each barrier every lane has added once, so each sees exactly 3·(round + 1) at the next.
    expect(await pool.run('inStep', { counts, rounds })).toEqual([0, 0, 0]);
    expect(counts[0]).toBe(3 * rounds);
  });

  test('queue in the order of calls, also async ones and on fewer lanes', async () => {
    const pool = await poolOf(2);
    const log = new Int32Array(pool.allocate(4 * 9));
    const runs = [0, 1, 2, 3].map((number) =>
      pool.run('appendLater', { log, number }, { lanes: number % 2 === 0 ? 2 : 1 }),
    );
    await Promise.all(runs);
    // Lane 0 takes part in all four, one after the other.
    expect([...log.subarray(1, 5)]).toEqual([0, 1, 2, 3]);
  });

  test('module state lasts as long as the worker', async () => {
    const pool = await poolOf(2);
    await pool.run('countUp', undefined);
    await pool.run('countUp', undefined, { lanes: 1 });
    expect(await pool.run('countUp', undefined)).toEqual([3, 2]);
  });
});

describe('failures', () => {
  test('a task that throws fails its run, frees the lanes that wait for it, and leaves the pool usable', async () => {
    const pool = await poolOf(3);
    const failure = await pool.run('throwOn', { lane: 1 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DeviceError);
    expect((failure as DeviceError).message).toMatchInlineSnapshot(
      `"task "throwOn" failed on lane 1; given: out of ideas"`,
    );
    expect((failure as DeviceError).details.cause).toBeInstanceOf(RangeError);
    expect(await pool.run('whoAmI', undefined)).toEqual(['0 of 3', '1 of 3', '2 of 3']);
  });

  test.each(['at once', 'at the barrier', 'after an await'] as const)(
    'a worker that is killed %s is an error, not a hang',
    async (when) => {
      const pool = await poolOf(3);
      const run = pool.run('die', { lane: 1, when });
      const queued = pool.run('whoAmI', undefined);
      await expect(run).rejects.toThrow(DeviceError);
      await expect(queued).rejects.toThrow(DeviceError);
      await expect(pool.run('whoAmI', undefined)).rejects.toThrowErrorMatchingInlineSnapshot(
        `[DeviceError: worker 1 of the pool ended; given: it exited with code 3; to mend it: make another pool, and begin the work again]`,
      );
    },
  );

  test('an idle worker that is killed is noticed too', async () => {
    const pool = await poolOf(2);
    await pool.run('dieSoon', undefined, { lanes: 1 });
    await expect(pool.run('wait', { milliseconds: 60_000 })).rejects.toThrow(DeviceError);
  });

  test('stopping ends what is under way, and what comes later', async () => {
    const pool = await poolOf(2);
    const run = pool.run('spin', undefined);
    pool.stop();
    pool.stop();
    await expect(run).rejects.toThrowErrorMatchingInlineSnapshot(
      `[DeviceError: the pool was stopped; to mend it: make another pool]`,
    );
    await expect(pool.run('whoAmI', undefined)).rejects.toThrow(DeviceError);
  });

  test('unknown tasks, too many lanes and arguments that can’t be cloned are refused', async () => {
    const pool = await poolOf(2);
    // @ts-expect-error no such task
    await expect(pool.run('whoAreYou', undefined)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: run: no such task; given: whoAreYou; expected: whoAmI, inStep, appendLater, countUp, throwOn, die, dieSoon, wait, spin, waitForever, checkLater, returnFunction]`,
    );
    // @ts-expect-error inherited, not a task
    await expect(pool.run('toString', undefined)).rejects.toThrow(/no such task/);
    await expect(pool.run('whoAmI', undefined, { lanes: 3 })).rejects.toThrow(/run: lanes; given: 3/);
    // @ts-expect-error a typo
    await expect(pool.run('whoAmI', undefined, { lane: 1 })).rejects.toThrow(/no option "lane"/);
    const uncloneable = { lane: 0, when: 'at once' as const, closure: () => 0 };
    await expect(pool.run('die', uncloneable)).rejects.toThrow(/can't be sent to a worker/);
    await expect(pool.run('returnFunction', undefined)).rejects.toThrow(/could not be cloned/);
    expect(await pool.run('whoAmI', undefined)).toEqual(['0 of 2', '1 of 2']);
  });

  test('text that does not load is an error, a number of threads outside 1 … 256 too', async () => {
    await expect(workerPool({ threads: 2, tasks: { source: 'var tasks = {', tasks } })).rejects.toThrow(DeviceError);
    await expect(workerPool({ threads: 2, tasks: { source: 'throw new Error("broken")', tasks } })).rejects.toThrow(
      /broken/,
    );
    await expect(workerPool({ threads: 0 })).rejects.toThrow(/workerPool: threads; given: 0/);
    await expect(workerPool({ threads: 1.5 })).rejects.toThrow(/threads/);
    // @ts-expect-error a typo
    await expect(workerPool({ thread: 1 })).rejects.toThrow(/no option "thread"/);
  });

  test('memory that there is not is an error', async () => {
    const pool = await poolOf(1);
    expect(() => pool.allocate(2 ** 52)).toThrow(DeviceError);
    expect(() => pool.allocate(-1)).toThrow(/allocate/);
  });
});

describe('aborting', () => {
  test('rejects at once with the reason; lanes leave at their next check, waiting ones too', async () => {
    const pool = await poolOf(2);
    for (const task of ['spin', 'waitForever'] as const) {
      const controller = new AbortController();
      const run = pool.run(task, undefined, { signal: controller.signal });
      controller.abort(new Error('enough'));
      await expect(run).rejects.toThrow('enough');
      // Both lanes have left, or this would not come back.
      expect(await pool.run('whoAmI', undefined)).toEqual(['0 of 2', '1 of 2']);
    }
  });

  test('a signal that fires later does nothing', async () => {
    const pool = await poolOf(1);
    const controller = new AbortController();
    await pool.run('whoAmI', undefined, { signal: controller.signal });
    controller.abort();
    expect(await pool.run('whoAmI', undefined)).toEqual(['0 of 1']);
  });
});

describe('where there are no threads', () => {
  /** Takes away what makes threads possible. */
  const places: Record<string, () => void> = {
    'no SharedArrayBuffer': () => vi.stubGlobal('SharedArrayBuffer', undefined),
    'a page that is not cross-origin isolated': () => vi.stubGlobal('crossOriginIsolated', false),
    'no workers at all': () => vi.stubGlobal('process', { ...process, getBuiltinModule: undefined }),
  };

  test.each(Object.keys(places))('%s: says so and runs on one', async (place) => {
    places[place]!();
    const pool = await workerPool({ threads: 4 });
    pools.push(pool);
    expect(pool.threads).toBe(1);
    expect(pool.describe()).toMatchObject({ threads: 1, runsOn: 'the calling thread' });
    expect(pool.describe().why).toMatch(/SharedArrayBuffer is not allowed|no worker threads/);
    await scansWork(pool);
  });

  test('workers that the page forbids', async () => {
    vi.stubGlobal('process', { ...process, getBuiltinModule: undefined });
    vi.stubGlobal('Worker', function Worker() {
      throw new Error('Refused by the content security policy');
    });
    const pool = await workerPool({ threads: 2 });
    pools.push(pool);
    expect(pool.describe().why).toMatchInlineSnapshot(
      `"workers can't be started (Refused by the content security policy)"`,
    );
    await scansWork(pool);
  });

  test('failures and signals are as on threads', async () => {
    vi.stubGlobal('crossOriginIsolated', false);
    const pool = await poolOf(2);
    const failure = await pool.run('throwOn', { lane: 0 }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DeviceError);
    expect((failure as DeviceError).details.cause).toBeInstanceOf(RangeError);
    const controller = new AbortController();
    const run = pool.run('checkLater', undefined, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(run).rejects.toThrow('enough');
    await expect(pool.run('whoAmI', undefined, { lanes: 2 })).rejects.toThrow(/lanes/);
    pool.stop();
    await expect(pool.run('whoAmI', undefined)).rejects.toThrow(DeviceError);
  });

  async function scansWork(pool: WorkerPool<ScanTasks>): Promise<void> {
    expect([...(await threadedPrefixSum(pool, [1, 2, 3]))]).toEqual([1, 3, 6]);
    expect([...(await threadedRecurrence(pool, [0.5, 0.5], [1, 1]))]).toEqual([1, 1.5]);
    const one = { data: [1], dtype: 'f64', shape: [1, 1, 1], strides: [1, 1, 1], offset: 0 } as const;
    const { y } = await threadedSelectiveScan(pool, { u: one, dt: one, A: { ...one, shape: [1, 1] }, B: one, C: one });
    expect([...y.data]).toEqual([1]);
  }
});
