import type { StateLayer } from '../model/protocol.js';
import { color } from '../shell/theme.js';

/** Pixels between layers. */
const GAP = 3;

/**
 * Draws a state, one pixel a number: a band per layer, h · p wide and n high, one layer below the other. Above zero and below it have a
 * colour each, as strong as `tanh(|v| / 2σ)` says, σ the layer's root mean square.
 */
export function drawState(canvas: HTMLCanvasElement, layers: readonly StateLayer[]): void {
  const [first] = layers;
  if (!first) return;
  canvas.width = Math.max(...layers.map(({ rows }) => rows));
  canvas.height = layers.reduce((height, { columns }) => height + columns + GAP, -GAP);
  const context = canvas.getContext('2d')!;
  const [none, above, below] = [color('--sunken'), color('--positive'), color('--negative')];
  let top = 0;
  for (const { rows, columns, values } of layers) {
    const image = context.createImageData(rows, columns);
    const scale = 2 * Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length) || 1;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const v = values[row * columns + column]!;
        const strength = Math.tanh(Math.abs(v) / scale);
        const hue = v > 0 ? above : below;
        const at = 4 * (column * rows + row);
        for (let k = 0; k < 3; k++) image.data[at + k] = none[k]! + strength * (hue[k]! - none[k]!);
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, top);
    top += columns + GAP;
  }
}
