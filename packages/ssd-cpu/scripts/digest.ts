import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;

/** Everything that the generated kernels and the worker's script come from, as a number to recognise it by. */
export function digest(): string {
  const hash = createHash('sha256');
  const files = ['scripts/build-kernels.ts', 'src/commands/layout.ts', 'src/device/worker.ts', 'src/device/tasks.ts'];
  files.push('src/device/addresses.ts', 'src/device/linear-memory.ts');
  files.push('../scan/src/threads/serve.ts', '../scan/src/threads/lane.ts');
  for (const name of readdirSync(join(root, 'assembly')).sort())
    if (name !== 'commands.ts') files.push(`assembly/${name}`);
  for (const file of files) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}
