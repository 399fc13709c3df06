import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

/** Opens a backend in a process of its own; what it is refused with. */
async function opened(env: Record<string, string>, code: string, ...flags: string[]): Promise<string> {
  const script = `import('./src/index.ts').then(({ webgpu }) => ${code}).then(
    () => console.log('opened'), (e) => console.log(e.name + ': ' + e.message));`;
  const { stdout } = await promisify(execFile)(
    '../../node_modules/.bin/tsx',
    ['--conditions=@mamba2/source', ...flags, '--eval', script],
    { env: { ...process.env, ...env } },
  );
  return stdout.trim();
}

/** A hook that makes a package unresolvable, as where it is not installed. */
const without = (name: string) =>
  `--import=data:text/javascript,${encodeURIComponent(`import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(
  "export const resolve = (id, context, next) => { if (id === '${name}') throw new Error('not found'); return next(id, context); }"));`)}`;

describe('in Node', () => {
  it('says which package to install', async () => {
    expect(await opened({}, 'webgpu()', without('webgpu'))).toMatchInlineSnapshot(
      `"DeviceError: WebGPU in Node needs the package "webgpu"; to mend it: npm install webgpu"`,
    );
  });

  // Elsewhere drivers come with the system and can't be hidden.
  if (process.platform !== 'linux') return;

  it('says which driver to install', async () => {
    expect(await opened({ VK_ICD_FILENAMES: '/nowhere.json' }, 'webgpu()')).toMatchInlineSnapshot(
      `"DeviceError: no GPU was found; to mend it: install the GPU's Vulkan driver (on Debian: libvulkan1 and mesa-vulkan-drivers 24 or later, or the vendor's), or use the wasm backend"`,
    );
  });

  it('takes a software driver for no GPU where told to', async () => {
    expect(await opened({}, 'webgpu({ software: false })')).toMatch(/^DeviceError: there is no GPU; given: /);
  });
});
