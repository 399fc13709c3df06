import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type Backend,
  DeviceError,
  flat,
  heads,
  stored,
  type Tensor,
  unsqueeze,
} from '../../../src/index.js';
import { expectClose, expectIdentical } from '../expect-close.js';
import * as oracle from '../oracles.js';
import { randomInputs } from '../random-inputs.js';
import { ints, type Suite, values } from './context.js';
import { makeSampler } from './sampler.js';

/** A layer with states of its own: a convolution and an SSM over 2 heads of 2 channels, with a residual. */
function makeLayer(backend: Backend, seed: number) {
  const random = randomInputs(seed);
  const x = backend.zeros([1, 1, 4]);
  const states = { conv: backend.zeros([1, 2, 4]), ssm: backend.zeros([1, 2, 2, 3]) };
  const weight = backend.upload(random.normal(12), [4, 3]);
  const A = backend.upload([-0.5, -1]);
  const dt = backend.upload([0.3, 0.2], [1, 1, 2]);
  const [B, C] = [backend.upload(random.normal(3), [1, 1, 1, 3]), backend.upload(random.normal(3), [1, 1, 1, 3])];
  return {
    states,
    step: () =>
      backend.scope(() => {
        const u = backend.scope(() => backend.causalConv1d(x, { weight }, states.conv));
        return backend.add(flat(backend.ssd(heads(u, 2), dt, B, C, { A }, states.ssm)), x);
      }),
    /** Gives the layer its next input, then calls `step` or what stands for it. */
    feed: (input: ArrayLike<number>, step: () => Tensor) => {
      backend.scope(() => backend.copy(backend.upload(Float64Array.from(input), [1, 1, 4]), x));
      return backend.read(step());
    },
  };
}

export function programTests(suite: Suite): void {
  const { tolerance } = suite;
  const inputs = Array.from({ length: 5 }, (_, i) => randomInputs(i).normal(4));

  describe('program', () => {
    it('replays what its function did: the same as calling that every time, on the same tensors', async () => {
      const { backend } = suite;
      const [eager, recorded] = [makeLayer(backend, 1), makeLayer(backend, 1)];
      let calls = 0;
      const program = backend.program(() => {
        calls++;
        return { y: recorded.step() };
      });
      const outputs = new Set<Tensor>();
      for (const input of inputs) {
        const want = await eager.feed(input, eager.step);
        const got = await recorded.feed(input, () => {
          const { y } = program.run();
          outputs.add(y);
          return y;
        });
        // A program may fuse operations: equal to rounding.
        expectClose(got, want, tolerance);
      }
      expect(calls, 'calls of its function').toBe(1);
      expect(outputs.size, 'different outputs').toBe(1);
      for (const name of ['conv', 'ssm'] as const) {
        expectClose(
          await values(backend, recorded.states[name]),
          await values(backend, eager.states[name]),
          tolerance,
          name,
        );
      }
      program.dispose();
    });

    it('overwrites its outputs with every run; reads keep what they saw', async () => {
      const { backend } = suite;
      const counter = backend.upload([0]);
      const one = backend.upload([1]);
      const program = backend.program(() => {
        const next = backend.add(counter, one);
        backend.copy(next, counter);
        return [next];
      });
      const reads = [1, 2, 3].map(() => backend.read(program.run()[0]!));
      expect((await Promise.all(reads)).map((t) => t[0])).toEqual([1, 2, 3]);
      program.dispose();
      backend.free(counter, one);
    });

    it('interleaves with other programs and with ordinary calls', async () => {
      const { backend } = suite;
      const alone = [makeLayer(backend, 2), makeLayer(backend, 3)];
      const want = await Promise.all(
        alone.map((layer) => Promise.all(inputs.map((input) => layer.feed(input, layer.step)))),
      );
      const together = [makeLayer(backend, 2), makeLayer(backend, 3)];
      const programs = together.map((layer) => backend.program(layer.step));
      const got: Promise<ArrayLike<number>>[][] = [[], []];
      for (const input of inputs) {
        together.forEach((layer, i) => got[i]!.push(layer.feed(input, () => programs[i]!.run())));
        backend.scope(() => backend.add(backend.upload([1]), backend.upload([2])));
      }
      for (const [i, rows] of got.entries()) {
        for (const [t, row] of rows.entries())
          expectClose(await row, want[i]![t]!, tolerance, `program ${i}, step ${t}`);
      }
      for (const program of programs) program.dispose();
    });

    it('decodes: each token drawn is the next one fed, with no word from the host', async () => {
      const { backend } = suite;
      const random = randomInputs(9);
      const [V, d, steps] = [19, 8, 6];
      const [table, head] = [random.normal(V * d), random.normal(V * d)];
      const weights = [table, head].map((w) => backend.weight(stored(Float32Array.from(w), [V, d])));
      // Greedy, penalised so that it does not repeat itself; the second row stops at its third token.
      const greedy = { temperature: 0, repetitionPenalty: 3 };
      const next = (id: number, seen: ReadonlySet<number>) => {
        const logits = oracle.linear(table.subarray(id * d, (id + 1) * d), head, { rows: 1, k: d, m: V });
        const penalised = logits.map((v, i) => (seen.has(i) ? (v > 0 ? v / 3 : v * 3) : v));
        return penalised.indexOf(Math.max(...penalised));
      };
      const want = [4, 11].map((first) => {
        const [ids, seen] = [[first], new Set<number>()];
        for (let step = 0; step < steps; step++) {
          ids.push(next(ids.at(-1)!, seen));
          seen.add(ids.at(-1)!);
        }
        return ids.slice(1);
      });
      const stop = want[1]![2]!;
      want[1]!.fill(stop, 3);

      const sampler = makeSampler(backend, [{ params: greedy }, { params: greedy, stops: [stop] }], V);
      backend.scope(() => backend.copy(ints(backend, [4, 11]), sampler.token));
      const program = backend.program(() => {
        const x = backend.embed(unsqueeze(sampler.token, 1), weights[0]!);
        return backend.sample(backend.linear(x, weights[1]!), sampler);
      });
      const got = await Promise.all(Array.from({ length: steps }, () => backend.read(program.run())));
      expect([0, 1].map((r) => got.map((t) => t[r]))).toEqual(want);
      expectIdentical(await backend.read(sampler.active), [1, 0]);
      program.dispose();
      backend.free(...weights);
    });

    it('outlives the scope in which it runs', async () => {
      const { backend } = suite;
      const one = backend.upload([1]);
      const program = backend.program(() => backend.add(one, one));
      const out = backend.scope(() => {
        program.run();
        return program.run();
      });
      backend.scope(() => void program.run());
      expectIdentical(await backend.read(out), [2]);
      program.dispose();
      expect(() => backend.add(out, one)).toThrow(DeviceError);
      expect(() => program.run()).toThrow(DeviceError);
      program.dispose();
      backend.free(one);
    });

    it('refuses what a replay could not repeat', async () => {
      const { backend } = suite;
      const one = backend.upload([1]);
      const other = backend.program(() => backend.add(one, one));
      const bodies: Record<string, () => unknown> = {
        upload: () => backend.upload([1]),
        zeros: () => backend.zeros([1]),
        weight: () => backend.weight(stored([1], [1, 1])),
        program: () => other.run(),
      };
      for (const [name, body] of Object.entries(bodies)) {
        expect(() => backend.program(body).run(), name).toThrow(ArgumentError);
      }
      const reading = () => {
        let read: Promise<unknown> | undefined;
        backend.program(() => void (read = backend.read(one))).run();
        return read!;
      };
      await expect((async () => reading())()).rejects.toThrow(ArgumentError);
      // Nothing is left over: the backend uploads and records as before.
      const two = backend.upload([2]);
      const program = backend.program(() => backend.add(one, two));
      expectIdentical(await backend.read(program.run()), [3]);
      program.dispose();
      backend.free(one, two);
    });

    it('passes on an error of its function, releases what that made, and can run again', async () => {
      const { backend } = suite;
      const one = backend.upload([1]);
      let made: Tensor | undefined;
      let fail = true;
      const program = backend.program(() => {
        made = backend.add(one, one);
        if (fail) throw new Error('on purpose');
        return backend.add(made, one);
      });
      expect(() => program.run()).toThrow('on purpose');
      expect(() => backend.add(made!, one)).toThrow(DeviceError);
      fail = false;
      expectIdentical(await backend.read(program.run()), [3]);
      program.dispose();
      backend.free(one);
    });

    it('notices that a tensor it needs is gone', () => {
      const { backend } = suite;
      const one = backend.upload([1]);
      const program = backend.program(() => backend.add(one, one));
      program.run();
      backend.free(one);
      expect(() => program.run()).toThrow(DeviceError);
      program.dispose();
    });
  });
}
