/** Loads a model of a hub into a cache, in a process of its own, as soon as a line comes; prints `waits` when another one fetches, and
 *  the ids that it writes. */
import { once } from 'node:events';
import { type LoadProgress, Mamba2 } from '../../src/index.js';
import { idsOf } from './models.js';

const [id, endpoint, cache] = process.argv.slice(2) as [string, string, string];
process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.destroy();
let waits = false;
const onProgress = ({ elsewhere = false }: LoadProgress) => {
  if (elsewhere && !waits) process.stdout.write('waits\n');
  waits ||= elsewhere;
};
const model = await Mamba2.load(id, { backend: 'reference', endpoint, cache, onProgress });
process.stdout.write(`${JSON.stringify(await idsOf(model, [5, 17, 250], { temperature: 0, maxTokens: 8 }))}\n`);
model.dispose();
