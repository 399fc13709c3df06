import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { prepareDrivers } from '../tools/gpu/drivers.js';

/** `pnpm bench NAME …`: runs the program of that name with what follows; without one, lists them. */
const folder = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.ts') && !['main.ts', 'peers.ts'].includes(file))
  .map((file) => file.slice(0, -3));
const [, , name, ...rest] = process.argv;
if (name === undefined || !names.includes(name)) {
  console.error(`pnpm bench NAME …; one of ${names.join(', ')}`);
  process.exitCode = name === undefined ? 0 : 2;
} else {
  // Libraries are found by what the environment says when a process starts.
  if (name === 'gpu-software') await prepareDrivers();
  const flags = ['--import', import.meta.resolve('tsx'), '--conditions=@mamba2/source'];
  const { status } = spawnSync(process.execPath, [...flags, `${folder}${name}.ts`, ...rest], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
