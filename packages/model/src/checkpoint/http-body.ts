import { CheckpointError } from '@mamba2/core';
import { BodyFile } from './body-file.js';
import { blockBytes } from './held-bytes.js';
import { changed, collect, lengthOf, refused, versionOf } from './http-answers.js';
import type { HttpClient } from './http-client.js';

/** The longest file of a server that does not serve ranges: read in another order than it comes in, all of it has to fit into memory. */
const wholeLimit = 2 ** 31;

/** Told how much has come of a file that its server sends as a whole. */
export type OnBody = (fetched: number, total: number) => void;

/** A file from the body of an answer that ignored the range. A short one comes at once, and so does one whose length is known at its end only. */
export async function openBody(
  client: HttpClient,
  { shown, url, onBody }: { shown: string; url: URL; onBody: OnBody },
  response: Response,
  signal: AbortSignal,
): Promise<{ size: number; file: BodyFile }> {
  const version = versionOf(response);
  const tooLong = new CheckpointError(`${shown} is too long for a server that does not serve byte ranges`, {
    expected: `at most ${wholeLimit} bytes, or a server that answers "Range" requests`,
    fix: 'download it and open the folder',
  });
  const length = lengthOf(response);
  if (length !== undefined && length > wholeLimit) {
    await response.body?.cancel();
    throw tooLong;
  }
  const chunks = length === undefined ? await collect(client, shown, response, wholeLimit, signal, tooLong) : undefined;
  const size = length ?? chunks!.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const isLong = length !== undefined && length > blockBytes;
  let first = chunks ? undefined : response;
  const open = async () => {
    const answer = first ?? (await client.request(shown, url, signal));
    first = undefined;
    if (answer.status !== 200) throw await refused(shown, answer, '200 and all of it, as before');
    if (versionOf(answer) === version && lengthOf(answer) === length) return answer;
    await answer.body?.cancel();
    throw changed(shown);
  };
  const file = new BodyFile({
    name: shown,
    size,
    fetch: (start) => (chunks?.length ? letGo(chunks) : client.range(shown, start, size, open, signal)),
    onArrived: (bytes) => isLong && onBody(bytes, size),
  });
  if (isLong) await client.leaveOpen(() => file.bring());
  else await file.bring();
  return { size, file };
}

/** Hands over all of an array, and holds none of it meanwhile. */
async function* letGo<T>(array: T[]): AsyncGenerator<T, void, undefined> {
  for (let next = array.shift(); next !== undefined; next = array.shift()) yield next;
}
