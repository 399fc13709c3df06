import { CheckpointError } from '@mamba2/core';
import type { HttpClient } from './http-client.js';

/** `Content-Range` as [start, end) of size; undefined when missing or unintelligible. */
export function contentRange(response: Response): { start: number; end: number; size: number } | undefined {
  const match = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15})$/.exec(response.headers.get('content-range') ?? '');
  return match ? { start: Number(match[1] ?? 0), end: Number(match[2] ?? -1) + 1, size: Number(match[3]) } : undefined;
}

/** The length of a whole file's answer, where it is told. A compressed body's says nothing about the bytes that come out of it. */
export function lengthOf(response: Response): number | undefined {
  const length = response.headers.has('content-encoding') ? null : response.headers.get('content-length');
  return length === null ? undefined : Number(length);
}

export function versionOf(response: Response): string | undefined {
  return response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
}

export function isAbsent(response: Response): boolean {
  const isPage = response.headers.get('content-type')?.startsWith('text/html') === true;
  return response.status === 404 || response.status === 410 || (response.ok && isPage);
}

export async function refused(shown: string, response: Response, expected = '206 or 200'): Promise<CheckpointError> {
  await response.body?.cancel();
  const fix = [401, 403].includes(response.status)
    ? 'the file is not public: give a token, or download it and open the folder'
    : 'check the address, or try again later';
  const given = `${response.status} ${response.statusText}`.trim();
  return new CheckpointError(`${shown}: the server did not send it`, { given, expected, fix });
}

export function changed(shown: string): CheckpointError {
  return new CheckpointError(`${shown} changed while it was being read`, { fix: 'load the model again' });
}

export function wrongRange(shown: string, response: Response, expected: string): CheckpointError {
  const given = String(response.headers.get('content-range'));
  void response.body?.cancel();
  return new CheckpointError(`${shown}: the server sent another range than was asked for`, { given, expected });
}

/** Reads a body to its end. @throws CheckpointError when more than `limit` bytes come; BrokenConnection */
export async function collect(
  client: HttpClient,
  shown: string,
  response: Response,
  limit: number,
  signal: AbortSignal,
  tooLong: Error = new CheckpointError(`${shown}: the server sent more bytes than were asked for`, {
    expected: `${limit} bytes`,
  }),
): Promise<Uint8Array<ArrayBuffer>[]> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  for await (const chunk of client.chunks(shown, response, signal)) {
    received += chunk.byteLength;
    if (received > limit) throw tooLong;
    chunks.push(chunk);
  }
  return chunks;
}
