/** Loads a small checkpoint and then a large one on the CPU, in a process of its own; prints by how many bytes the second raised the peak. */
import { wasm } from '@mamba2/ssd-cpu';
import { Mamba2 } from '../../src/index.js';

const [small, large] = process.argv.slice(2) as [string, string];
const backend = wasm({ threads: 1 });
(await Mamba2.load(small, { backend, tokenizer: null })).dispose();
const before = process.resourceUsage().maxRSS;
const model = await Mamba2.load(large, { backend, tokenizer: null });
const { byteLength } = model;
console.log(JSON.stringify({ byteLength, grown: 1024 * (process.resourceUsage().maxRSS - before) }));
(await backend).dispose();
