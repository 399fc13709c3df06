import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StopScanner } from '../src/stops.js';

test('any way of cutting a text into pieces ends at its earliest stop string', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 24 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 8 }), stops, (pieces, stopTexts) => {
      const scanner = new StopScanner(stopTexts);
      let text = '';
      let stopped = false;
      for (const piece of pieces) {
        const step = scanner.push(piece);
        text += step.text;
        // Whatever was given out stays: no stop string may be found in it later.
        expect(stopTexts.some((stop) => text.includes(stop))).toBe(false);
        if ((stopped = step.stopped)) break;
      }
      if (!stopped) text += scanner.flush();
      const whole = pieces.join('');
      const cuts = stopTexts.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0);
      expect(stopped).toBe(cuts.length > 0);
      if (!stopped) expect(text).toBe(whole);
      // Where two stop strings overlap, the one completed first ends the text; it can't lie before the earliest.
      else expect(whole.startsWith(text) && text.length >= Math.min(...cuts)).toBe(true);
    }),
  );
});

test('text that may become a stop string is held back', () => {
  const scanner = new StopScanner(['\n\n', 'END']);
  expect(scanner.push('one\n')).toEqual({ text: 'one', stopped: false });
  expect(scanner.push('two E')).toEqual({ text: '\ntwo ', stopped: false });
  expect(scanner.push('ND three')).toEqual({ text: '', stopped: true });
});
