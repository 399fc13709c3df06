/** A benchmark's findings as files. */

import type { Session } from './state.js';

/** Everything, with the samples and the conditions. */
export function asJson(session: Session): string {
  const { doing: _, ...kept } = session;
  const where = { userAgent: navigator.userAgent, cores: navigator.hardwareConcurrency, isolated: crossOriginIsolated };
  return `${JSON.stringify({ ...kept, where }, undefined, 2)}\n`;
}

const columns = [
  'form',
  'device',
  'variant',
  'l',
  'n',
  'p',
  'h',
  'q',
  'median',
  'multiplyAdds',
  'checkedPositions',
  'error',
] as const;

/** A line for each measurement; fields after RFC 4180. */
export function asCsv({ measured }: Pick<Session, 'measured'>): string {
  const field = (value: unknown) => {
    const plain = String(value);
    return /[",\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  };
  const head = [...columns, 'samples'].join(',');
  const lines = measured.map((row) => [...columns.map((name) => field(row[name])), row.samples.join(' ')].join(','));
  return `${[head, ...lines].join('\n')}\n`;
}

/** Hands a file to the browser to be kept. */
export function download(name: string, type: string, content: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
