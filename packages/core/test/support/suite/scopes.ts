import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type Backend,
  DeviceError,
  heads,
  row,
  slice,
  stored,
  type Tensor,
} from '../../../src/index.js';
import { expectIdentical } from '../expect-close.js';
import type { Suite } from './context.js';

/** Whether an operation on `t` is refused because its memory is gone. */
function expectDead(backend: Backend, t: Tensor): void {
  expect(() => backend.add(t, t)).toThrow(DeviceError);
}

export function scopeTests(suite: Suite): void {
  describe('scope', () => {
    it('returns what its function returns and releases everything else', async () => {
      const { backend } = suite;
      const outside = backend.upload([1, 2, 3]);
      const inner: Tensor[] = [];
      const kept = backend.scope(() => {
        const twice = backend.add(outside, outside);
        inner.push(twice, backend.upload([0, 0, 0]), backend.zeros([3]));
        return backend.add(twice, outside);
      });
      for (const t of inner) expectDead(backend, t);
      expectIdentical(await backend.read(kept), [3, 6, 9]);
      expectIdentical(await backend.read(outside), [1, 2, 3]);
      backend.free(kept, outside);
      expect(backend.scope(() => 7)).toBe(7);
      expect(backend.scope(() => undefined)).toBe(undefined);
    });

    it('lets tensors escape in arrays and objects, as views, and inside weights', async () => {
      const { backend } = suite;
      const result = backend.scope(() => {
        const make = (v: number) => backend.upload([v, v + 1, v + 2, v + 3], [2, 2]);
        return {
          list: [make(0), [make(10)]],
          deep: { view: row(make(20), 1), none: undefined, text: 'x', count: 3, empty: null },
          head: heads(slice(make(30), 0, 0, 1), 1),
          weight: backend.weight(stored([1, 2], [1, 2])),
        };
      });
      const [first, [second]] = result.list as [Tensor, [Tensor]];
      expectIdentical(await backend.read(first), [0, 1, 2, 3]);
      expectIdentical(await backend.read(second), [10, 11, 12, 13]);
      expectIdentical(await backend.read(result.deep.view), [22, 23]);
      expectIdentical(await backend.read(result.head), [30, 31]);
      const y = backend.linear(first, result.weight);
      expectIdentical(await backend.read(y), [2, 8]);
      backend.free(first, second, result.deep.view, result.head, result.weight, y);
    });

    it('accepts results that contain themselves', () => {
      const { backend } = suite;
      interface Ring {
        next?: Ring;
        t: Tensor;
      }
      const ring = backend.scope(() => {
        const one: Ring = { t: backend.upload([1]) };
        one.next = one;
        return one;
      });
      backend.free(ring.t);
    });

    it('nests: what escapes the inner one belongs to the outer', async () => {
      const { backend } = suite;
      const seen: Record<string, Tensor> = {};
      const kept = backend.scope(() => {
        seen['a'] = backend.upload([1]);
        const [b, c] = backend.scope(() => {
          seen['gone'] = backend.upload([9]);
          return [backend.add(seen['a']!, seen['a']!), backend.add(seen['gone'], seen['gone'])] as const;
        });
        expectDead(backend, seen['gone']!);
        [seen['b'], seen['c']] = [b, c];
        return backend.scope(() => backend.add(b, c));
      });
      for (const name of ['a', 'b', 'c']) expectDead(backend, seen[name]!);
      expectIdentical(await backend.read(kept), [20]);
      backend.free(kept);
    });

    it('releases everything when its function throws, and passes the error on', async () => {
      const { backend } = suite;
      const outside = backend.upload([5]);
      const error = new Error('on purpose');
      let made: Tensor | undefined;
      const failing = () =>
        backend.scope(() => {
          backend.scope(() => {
            made = backend.add(outside, outside);
            throw error;
          });
        });
      expect(failing).toThrow(error);
      expectDead(backend, made!);
      // Scopes are as before: what is made now belongs to nobody.
      const after = backend.add(outside, outside);
      expectIdentical(await backend.read(after), [10]);
      backend.free(after, outside);
    });

    it('refuses asynchronous functions and releases what they made', async () => {
      const { backend } = suite;
      let made: Tensor | undefined;
      const asynchronous = () =>
        backend.scope(async () => {
          made = backend.upload([1]);
        });
      expect(asynchronous).toThrow(ArgumentError);
      expectDead(backend, made!);
    });

    it('lets a tensor be freed early', async () => {
      const { backend } = suite;
      const kept = backend.scope(() => {
        const early = backend.upload([1, 2]);
        const sum = backend.add(early, early);
        backend.free(early);
        expectDead(backend, early);
        return sum;
      });
      expectIdentical(await backend.read(kept), [2, 4]);
      backend.free(kept);
    });
  });
}
