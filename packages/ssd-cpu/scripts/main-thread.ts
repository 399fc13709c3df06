/**
 * How long a page is kept from drawing while a model writes on the CPU: gaps between animation frames during a generation, in Chromium, in a page
 * that is cross-origin isolated and in one that is not, with nothing going on for comparison.
 */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { launchBrowser } from '../../../tools/browser/launch.ts';

const { outputFiles } = await build({
  stdin: {
    contents: `
      import { Mamba2 } from './packages/model/src/index.ts';
      import { wasm } from './packages/ssd-cpu/src/index.ts';
      const gaps = async (work) => {
        const seen = [];
        let last = performance.now();
        let on = true;
        const frame = (now) => { seen.push(now - last); last = now; if (on) requestAnimationFrame(frame); };
        requestAnimationFrame((now) => { last = now; requestAnimationFrame(frame); });
        await work();
        on = false;
        return seen.sort((a, b) => a - b);
      };
      globalThis.measure = async () => {
        const files = ['config.json', 'model.safetensors', 'tokenizer.json'];
        const source = { name: 'storyteller', files: Object.fromEntries(files.map((f) => [f, new URL('/' + f, location.href)])) };
        const backend = await wasm();
        let model;
        const summary = (list) => ({ frames: list.length, median: list[list.length >> 1], longest: list.at(-1) });
        const idle = summary(await gaps(() => new Promise((done) => setTimeout(done, 2000))));
        const loading = summary(await gaps(async () => (model = await Mamba2.load(source, { backend }))));
        let tokens = 0;
        const began = performance.now();
        const writing = summary(await gaps(async () => {
          for await (const piece of model.generate('Once upon a time', { maxTokens: 1500, seed: 1, ignoreEos: true })) tokens += piece.id === undefined ? 0 : 1;
        }));
        const rate = tokens / ((performance.now() - began) / 1000);
        const reading = summary(await gaps(() => model.score('the king and the queen went away. '.repeat(300))));
        return { device: backend.describe().device, idle, loading, writing, reading, rate };
      };`,
    resolveDir: fileURLToPath(new URL('../../..', import.meta.url)),
  },
  bundle: true,
  minify: true,
  write: false,
  format: 'esm',
  plugins: [
    {
      // What the hub's library imports in Node only.
      name: 'no-builtins',
      setup({ onResolve, onLoad }) {
        const builtin = new RegExp(`^(node:)?(${builtinModules.join('|')})$`);
        onResolve({ filter: builtin }, ({ path }) => ({ path, namespace: 'builtin' }));
        onLoad({ filter: /.*/, namespace: 'builtin' }, () => ({ contents: 'module.exports = {}' }));
      },
    },
  ],
  conditions: ['@mamba2/source'],
});

const isolation = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const checkpoint = new URL('../../../models/storyteller/checkpoint/', import.meta.url);
const browser = await launchBrowser();
for (const headers of [isolation, {}]) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(String(error)));
  await page.route('http://localhost/**', (route) => {
    const file = new URL(route.request().url()).pathname.slice(1);
    if (file === '') {
      return route.fulfill({
        contentType: 'text/html',
        headers,
        body: '<script type="module" src="/page.js"></script>',
      });
    }
    if (file === 'page.js')
      return route.fulfill({ contentType: 'text/javascript', headers, body: outputFiles[0]!.text });
    return route.fulfill({ headers, body: readFileSync(new URL(file, checkpoint)) });
  });
  await page.goto('http://localhost/');
  await page.waitForFunction('"measure" in globalThis');
  console.log(JSON.stringify(await page.evaluate('measure()'), undefined, 1));
  await page.close();
}
await browser.close();
