import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const pages = new Map(
  (readdirSync(dist, { recursive: true }) as string[])
    .filter((path) => path.endsWith('.html'))
    .map((path) => [path, readFileSync(join(dist, path), 'utf8')]),
);

const attributes = (html: string, name: string) =>
  [...html.matchAll(new RegExp(`\\s${name}="([^"]*)"`, 'g'))].map(([, value]) =>
    decodeURI(value!.replaceAll('&amp;', '&')),
  );

describe('the built site', () => {
  it('has a page for each package and guide', () => {
    const all = [...pages.keys()].join('\n');
    for (const name of ['core', 'scan', 'tokenizer', 'ssd-cpu', 'ssd-gpu', 'model'])
      expect(all).toContain(`_mamba2_${name}.html`);
    for (const name of ['duality', 'scans', 'states', 'running', 'kernels', 'benchmarks'])
      expect(all.toLowerCase()).toContain(name);
  });

  it('has no link that leads nowhere', () => {
    const broken: string[] = [];
    const ids = new Map<string, Set<string>>();
    for (const [path, html] of pages) {
      for (const target of [...attributes(html, 'href'), ...attributes(html, 'src')]) {
        if (/^(https?:|mailto:|data:)/.test(target)) continue;
        const [file = '', anchor] = target.split('#');
        const to = file === '' ? path : relative(dist, join(dist, dirname(path), file.split('?')[0]!));
        if (!statSync(join(dist, to), { throwIfNoEntry: false })) broken.push(`${path} → ${target}`);
        else if (anchor && to.endsWith('.html')) {
          if (!ids.has(to)) ids.set(to, new Set(attributes(pages.get(to) ?? '', 'id')));
          if (!ids.get(to)!.has(anchor)) broken.push(`${path} → ${target}`);
        }
      }
    }
    expect(broken).toEqual([]);
  });

  it('holds the demo, and each links to the other', () => {
    expect(attributes(pages.get('index.html')!, 'href')).toContain('media/demo.html');
    expect(pages.has('demo/index.html')).toBe(true);
    const scripts = readdirSync(join(dist, 'demo/assets')).filter((name) => name.endsWith('.js'));
    const texts = scripts.map((name) => readFileSync(join(dist, 'demo/assets', name), 'utf8'));
    expect(texts.some((text) => text.includes('frame-footer') && /(`|'|")\.\.\/\1/.test(text))).toBe(true);
  });

  it('renders mathematics, all of it, and asks nobody else for anything', () => {
    const duality = [...pages].find(([path]) => /duality\.html$/i.test(path))![1];
    expect(duality.match(/<math /g)!.length).toBeGreaterThan(100);
    for (const [path, html] of pages) {
      expect(html, path).not.toMatch(/katex-error|<(script|link|img)[^>]*(src|href)="https?:/);
    }
  });
});
