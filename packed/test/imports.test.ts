import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { launchBrowser } from '../../tools/browser/launch.ts';
import { bundle } from '../src/bundle.js';
import { type Consumer, install, serveFolder } from '../src/consumer.js';
import { run, withDependencies } from '../src/pack.js';

const packages = new Map(inject('packages'));
let browser: Awaited<ReturnType<typeof launchBrowser>>;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

/** What each entry point costs a page that uses all of it (KB of 1000 bytes, compressed by brotli, without our other packages), and what comes with it. */
const expected: Record<string, { names: string[]; with: string[]; later?: string[]; budget: number }> = {
  core: { names: ['ssdChunked', 'oneSemiseparable', 'hostTensor'], with: [], budget: 12 },
  'core/lti': { names: ['discretise', 'ltiConvolution', 'hippoLegS'], with: [], budget: 24 },
  'core/ranks': { names: ['numericalRank'], with: [], budget: 22 },
  'core/reference': { names: ['reference'], with: [], budget: 12 },
  'core/weights': { names: ['quantise', 'collect'], with: [], budget: 5 },
  scan: { names: ['blelloch', 'SegmentTree', 'selectiveScanParallel'], with: ['core'], budget: 10 },
  'scan/threads': { names: ['workerPool', 'serve'], with: ['core'], budget: 12 },
  tokenizer: { names: ['Tokenizer'], with: [], budget: 10 },
  'tokenizer/train': { names: ['trainBpe'], with: [], budget: 5 },
  'ssd-cpu': { names: ['wasm'], with: ['core', 'scan'], budget: 60 },
  'ssd-gpu': { names: ['webgpu'], with: ['core'], budget: 64 },
  model: {
    names: ['Mamba2', 'readSafetensors'],
    with: ['core', 'tokenizer'],
    later: ['scan', 'ssd-cpu', 'ssd-gpu'],
    budget: 60,
  },
};

const ours = (names: readonly string[]) =>
  names.filter((name) => name.startsWith('@mamba2/')).map((name) => name.slice(8));

const packageOf = (entry: string) => `@mamba2/${entry.split('/')[0]}`;

/** Apps in which one package alone is installed (with what it needs), by its name. */
const apps = new Map<string, Consumer>();
beforeAll(async () => {
  for (const name of new Set(Object.keys(expected).map(packageOf)))
    apps.set(name, await install('empty', withDependencies(packages, name)));
});
afterAll(() => Promise.all([...apps.values()].map((app) => app.remove())));

/** Where a page without a bundler finds each entry point of these packages. */
function importMap(names: readonly string[]): Record<string, string> {
  const entries = Object.keys(expected).filter((entry) => names.includes(packageOf(entry)));
  return Object.fromEntries(
    entries.map((entry) => {
      const file = entry.split('/')[1] ?? 'index';
      return [`@mamba2/${entry}`, `/node_modules/${packageOf(entry)}/dist/${file}.js`];
    }),
  );
}

it('knows every entry point that is published', () => {
  const published = [...packages].flatMap(([name, { manifest }]) =>
    Object.keys(manifest.exports ?? {})
      .filter((path) => path !== './package.json')
      .map((path) => name + path.slice(1)),
  );
  // The storyteller is data, and the command is no module.
  const others = ['@mamba2/storyteller', '@mamba2/cli'];
  const known = Object.keys(expected).map((entry) => `@mamba2/${entry}`);
  expect(published.filter((name) => !others.includes(name)).sort()).toEqual(known.sort());
});

describe.each(Object.entries(expected))('@mamba2/%s alone', (short, { names, with: others, later = [], budget }) => {
  const name = `@mamba2/${short}`;
  const app = () => apps.get(packageOf(short))!;

  it('imports in Node', async () => {
    const code = `const all = await import('${name}'); console.log(JSON.stringify(Object.keys(all)));`;
    const exported = JSON.parse(
      await run(process.execPath, ['--input-type=module', '-e', code], app().path),
    ) as string[];
    expect(exported).toEqual(expect.arrayContaining(names));
  });

  it('imports in a page', async () => {
    const served = await serveFolder(app().path);
    const page = await browser.newPage();
    try {
      const imports = importMap(withDependencies(packages, packageOf(short)).map((each) => each.name));
      await page.route('**/page.html', (route) =>
        route.fulfill({
          contentType: 'text/html',
          body: `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>`,
        }),
      );
      await page.goto(`${served.url}page.html`);
      const exported = await page.evaluate<string[]>(`import('${name}').then(Object.keys)`);
      expect(exported).toEqual(expect.arrayContaining(names));
    } finally {
      await page.close();
      await served.stop();
    }
  });

  it('does nothing and weighs nothing when nothing of it is used', async () => {
    expect(await bundle(app().path, `import '${name}';`)).toMatchObject({
      packages: [],
      size: expect.toSatisfy((n: number) => n < 50),
    });
  });

  it(`brings what it needs, and stays below ${budget} KB with it`, async () => {
    const whole = await bundle(app().path, `export * from '${name}';`);
    expect(ours(whole.packages)).toEqual([...others, short.split('/')[0]!].sort());
    expect(ours(whole.later)).toEqual(expect.arrayContaining(later));
    expect(whole.size).toBeLessThan(1000 * budget);
  });
});

it('a bundle holds only the kernels of ssd-gpu that it imports, and not yet what reads their bindings', async () => {
  const app = apps.get('@mamba2/ssd-gpu')!.path;
  const some = await bundle(app, `export { kernels, ssdChunkScan } from '@mamba2/ssd-gpu';`);
  expect(some.size).toBeLessThan(44_000);
  expect(some.packages).not.toContain('webgpu-utils');
  expect(some.later).toContain('webgpu-utils');
});

it('core, scan and tokenizer cost at most 25 KB together: every export of all three', async () => {
  const app = await install('empty', withDependencies(packages, '@mamba2/scan', '@mamba2/tokenizer'));
  try {
    const names = ['core', 'scan', 'tokenizer'];
    const whole = await bundle(app.path, names.map((name) => `export * from '@mamba2/${name}';`).join('\n'));
    expect(ours(whole.packages)).toEqual(names);
    expect(whole.later).toEqual([]);
    expect(whole.size).toBeLessThanOrEqual(25_000);
  } finally {
    await app.remove();
  }
});
