import type { Io } from './options.js';

/** A line on a terminal that is rewritten in place; silent where stderr is no terminal. */
export function progressLine(stderr: Io['stderr']): {
  show(what: string, done: number, total: number): void;
  clear(): void;
} {
  let shown = '';
  const write = (line: string) => {
    if (line === shown) return;
    stderr.write(`\r\x1b[K${line}`);
    shown = line;
  };
  return {
    show(what, done, total) {
      if (stderr.isTTY) write(`${what} ${Math.floor((100 * done) / Math.max(1, total))}%`);
    },
    clear() {
      if (shown) write('');
    },
  };
}
