import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { serve } from './checkpoint-files.js';
import { readableByPages } from './hub-server.js';
import { sha256, type VirtualFile } from './virtual-files.js';

/** A server that speaks as https://huggingface.co does, of models whose files exist only as far as they are asked for. */
export async function virtualHub(
  models: Readonly<Record<string, Readonly<Record<string, VirtualFile>>>>,
): Promise<{ endpoint: string; seen: string[]; close: () => Promise<void> }> {
  const seen: string[] = [];
  const commit = createHash('sha1').update(Object.keys(models).join()).digest('hex');
  const trees = Object.entries(models).map(([id, files]) => {
    const tree = Object.entries(files).map(([path, file]) => {
      const { size } = file;
      return { type: 'file', path, size, oid: '0'.repeat(40), lfs: { oid: sha256(file), size, pointerSize: 130 } };
    });
    return [id, tree] as const;
  });
  const { url, close } = await serve((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://hub').pathname);
    for (const [name, value] of Object.entries(readableByPages)) response.setHeader(name, value);
    if (request.method === 'OPTIONS') return response.writeHead(204).end();
    seen.push([request.method, path, request.headers.range ?? ''].join(' ').trim());
    const json = (value: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    for (const [id, tree] of trees) {
      if (path === `/api/models/${id}/revision/main`) return json({ id, sha: commit });
      if (path === `/api/models/${id}/tree/${commit}`) return json(tree);
      const file = path.startsWith(`/${id}/resolve/${commit}/`) && models[id]![path.split(`${commit}/`)[1]!];
      if (!file) continue;
      const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      const start = Number(from);
      const end = to === '' ? file.size : Math.min(Number(to) + 1, file.size);
      const extent = { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${file.size}` };
      response.writeHead(206, { ...extent, etag: `"${path}"` });
      return Readable.from(file.pieces(start, end)).pipe(response);
    }
    return response.writeHead(404).end();
  });
  return { endpoint: url, seen, close };
}
