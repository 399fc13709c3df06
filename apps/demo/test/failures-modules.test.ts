import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Mamba2Error } from '@mamba2/core';
import { Mamba2 } from '@mamba2/model';
import { storyteller } from '@mamba2/storyteller';
import { expect, test } from 'vitest';
import { inChinese } from '../src/shell/failures-zh.js';
import { checkpoint } from './support/picker.js';

const tiny = fileURLToPath(new URL('../../../fixtures/goldens/models/hf_mamba2_tiny', import.meta.url));
const config = await readFile(`${checkpoint}/config.json`, 'utf8');

/** What the library says when something fails. */
async function saidBy(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Mamba2Error)) throw new Error('it did not fail as expected', { cause: error });
  return error.what;
}

const load = (files: Record<string, string>) =>
  Mamba2.load({
    name: 'my folder',
    files: Object.fromEntries(Object.entries(files).map(([path, content]) => [path, new Blob([content])])),
  });

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 123\n`;

test.each([
  ['my folder 里没有 config.json。', { 'notes.txt': '' }],
  ['my folder 里没有权重文件。', { 'config.json': config }],
  [
    '找不到 part-1.safetensors。',
    { 'config.json': config, 'model.safetensors.index.json': '{"weight_map":{"a":"part-1.safetensors"}}' },
  ],
  ['config.json 不是有效的 JSON。', { 'config.json': '{' }],
  ['config.json 不属于 transformers 或 mamba_ssm 的格式。', { 'config.json': '{"a":1}' }],
  ['model.safetensors 只是一个 Git LFS 指针，不是文件本身。', { 'config.json': config, 'model.safetensors': pointer }],
  [
    'model.safetensors 已损坏，或者不是权重文件。',
    { 'config.json': config, 'model.safetensors': 'text where weights should be' },
  ],
])('files that are no model: %s', async (chinese, files) => {
  expect(inChinese(await saidBy(load(files)))?.message).toBe(chinese);
});

test('servers that fail', async () => {
  const server = createServer((request, response) => {
    const [, how] = request.url!.split('/');
    if (how === 'refuses') response.writeHead(500).end();
    else if (how === 'dead') response.destroy();
    else if (!request.url!.endsWith('/config.json')) response.writeHead(404).end();
    else response.writeHead(200, { 'Content-Length': 1000 }).write('{', () => setImmediate(() => response.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const said = (how: string) => saidBy(Mamba2.load(`${url}/${how}/`));
    // The library tries several times before it gives up: all three at once.
    const [dead, refuses, breaks] = await Promise.all([said('dead'), said('refuses'), said('breaks')]);
    expect(inChinese(dead)?.message).toMatch(/^连不上 .*\/dead\/.*。$/);
    expect(inChinese(refuses)?.message).toMatch(/^.*\/refuses\/.*：服务器没有给出这个文件。$/);
    expect(inChinese(breaks)?.message).toMatch(/^.*\/breaks\/config\.json：收到 1 字节后连接断了。$/);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test('files that are no state, and a state of another model', async () => {
  const model = await Mamba2.load(storyteller, { backend: 'wasm' });
  const other = await Mamba2.load(tiny, { backend: 'reference' });
  try {
    const said = async (saved: Uint8Array) => inChinese(await saidBy(model.loadState(saved)))?.message;
    expect(await said(new TextEncoder().encode('some text'))).toBe('这个文件不是保存下来的状态，或者已经损坏。');
    expect(await said(await readFile(`${checkpoint}/model.safetensors`))).toBe('这个文件不是保存下来的状态。');
    const state = await other.prefill([1, 2, 3]);
    expect(await said(await state.save())).toBe('这个状态属于另一个模型。');
  } finally {
    model.dispose();
    other.dispose();
  }
});

test('what is not known is left to the library’s own words', () => {
  expect(inChinese('something nobody has thought of')).toBeUndefined();
});
