import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';

export type Contender = readonly [name: string, run: () => Promise<unknown>];

/** Everything measured since the last {@link finish}, by what was measured; milliseconds unless a name says otherwise. */
let results: Record<string, Record<string, number>> = {};

export function note(what: string, values: Record<string, number>): void {
  results[what] = { ...results[what], ...values };
  for (const [name, value] of Object.entries(values)) console.log(`  ${name.padEnd(34)} ${value.toPrecision(4)}`);
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** Milliseconds for which a contender runs untimed when its turn begins. */
const LEAD_IN = 200;

/**
 * Median milliseconds of a run of each, in `rounds` rounds that visit all of them. A turn is `each` runs one after the other, as a decoder makes
 * them, behind untimed ones: until then the threads of the contender before still spin on the cores, and its data fill the caches.
 */
export async function inTurn(
  what: string,
  contenders: readonly Contender[],
  rounds: number,
  each = 1,
): Promise<number[]> {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, [, run]] of contenders.entries()) {
      const began = performance.now();
      do await run();
      while (performance.now() - began < LEAD_IN);
      const start = performance.now();
      for (let done = 0; done < each; done++) await run();
      times[i]!.push((performance.now() - start) / each);
    }
  }
  console.log(` ${what}, ms`);
  note(what, Object.fromEntries(contenders.map(([name], i) => [name, median(times[i]!)])));
  // Of pairs, so that a load that comes and goes counts for both.
  const ratios = contenders.slice(1).map(([name], i) => {
    const pairs = times[i + 1]!.map((t, round) => t / times[0]![round]!);
    return [`${name} / ${contenders[0]![0]}`, median(pairs)] as const;
  });
  note(what, Object.fromEntries(ratios));
  return times.map(median);
}

/** ‖a − b‖ / ‖b‖ */
export function difference(a: Float32Array, b: Float32Array): number {
  let [error, norm] = [0, 0];
  a.forEach((v, i) => {
    error += (v - b[i]!) ** 2;
    norm += b[i]! ** 2;
  });
  return Math.sqrt(error / norm);
}

/** @throws Error where two contenders compute different things */
export function agree(what: string, a: Float32Array, b: Float32Array): void {
  const relative = difference(a, b);
  console.log(`  ${what}: relative L2 difference ${relative.toExponential(1)}`);
  // That of two f32 computations in different orders, over many layers.
  if (!(relative < 1e-3)) throw new Error(`${what}: the contenders compute different things`);
}

/** Ends what has been measured so far, and keeps it as JSON under a name, if there is one, with what it was measured on; what follows begins anew. */
export function finish(conditions: object, name?: string): void {
  if (name !== undefined) {
    const folder = new URL('../results/cpu/', import.meta.url);
    mkdirSync(folder, { recursive: true });
    const machine = { cpu: cpus()[0]!.model, cores: cpus().length, node: process.version, load: loadavg()[0] };
    writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify({ machine, ...conditions, results }, null, 2)}\n`);
  }
  results = {};
}
