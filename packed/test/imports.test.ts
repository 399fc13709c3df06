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

/** What each package costs a page that uses all of it (KB of 1000 bytes, compressed by brotli, without our other packages), and what comes with it. */
const expected: Record<string, { names: string[]; with: string[]; later?: string[]; budget: number }> = {
  core: { names: ['ssdChunked', 'reference', 'numericalRank'], with: [], budget: 36 },
  scan: { names: ['blelloch', 'SegmentTree', 'workerPool'], with: ['core'], budget: 30 },
  tokenizer: { names: ['Tokenizer', 'trainBpe'], with: [], budget: 12 },
  'ssd-cpu': { names: ['wasm'], with: ['core', 'scan'], budget: 60 },
  'ssd-gpu': { names: ['webgpu'], with: ['core'], budget: 60 },
  model: {
    names: ['Mamba2', 'readSafetensors'],
    with: ['core', 'tokenizer'],
    later: ['scan', 'ssd-cpu', 'ssd-gpu'],
    budget: 60,
  },
};

const ours = (names: readonly string[]) =>
  names.filter((name) => name.startsWith('@mamba2/')).map((name) => name.slice(8));

describe.each(Object.entries(expected))('@mamba2/%s alone', (short, { names, with: others, later = [], budget }) => {
  const name = `@mamba2/${short}`;
  let app: Consumer;
  beforeAll(async () => {
    app = await install('empty', withDependencies(packages, name));
  });
  afterAll(() => app?.remove());

  it('imports in Node', async () => {
    const code = `const all = await import('${name}'); console.log(JSON.stringify(Object.keys(all)));`;
    const exported = JSON.parse(await run(process.execPath, ['--input-type=module', '-e', code], app.path)) as string[];
    expect(exported).toEqual(expect.arrayContaining(names));
  });

  it('imports in a page', async () => {
    const served = await serveFolder(app.path);
    const page = await browser.newPage();
    try {
      const all = withDependencies(packages, name).map((each) => each.name);
      const imports = Object.fromEntries(all.map((each) => [each, `/node_modules/${each}/dist/index.js`]));
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
    expect(await bundle(app.path, `import '${name}';`)).toMatchObject({
      packages: [],
      size: expect.toSatisfy((n: number) => n < 50),
    });
  });

  it(`brings what it needs, and stays below ${budget} KB with it`, async () => {
    const whole = await bundle(app.path, `export * from '${name}';`);
    expect(ours(whole.packages)).toEqual([...others, short].sort());
    expect(ours(whole.later)).toEqual(expect.arrayContaining(later));
    expect(whole.size).toBeLessThan(1000 * budget);
  });
});

it('core, scan and tokenizer cost 25 KB together: the three forms, the reference backend, the scans and a tokenizer', async () => {
  const app = await install('empty', withDependencies(packages, '@mamba2/scan', '@mamba2/tokenizer'));
  try {
    const { size } = await bundle(
      app.path,
      `export { reference, ssdChunked, ssdQuadratic, ssdRecurrent, cumprodsum } from '@mamba2/core';
       export { blelloch, hillisSteele, linearRecurrence, reduceThenScan, scalarAffine, SegmentTree } from '@mamba2/scan';
       export { Tokenizer } from '@mamba2/tokenizer';`,
    );
    expect(size).toBeLessThan(25_000);
  } finally {
    await app.remove();
  }
});
