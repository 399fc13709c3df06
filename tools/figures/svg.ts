/** Drawing: just what the figures of the guides need, as SVG text with few decimals. */

export const ink = '#24292f';
export const faint = '#8c959f';
export const palette = ['#0969da', '#bc4c00', '#1a7f37', '#8250df', '#cf222e', '#57606a'] as const;

const round = (v: number): string => String(Number(v.toFixed(2)));

/** A picture on a white card, so that it reads on dark pages, too; `title` is what a screen reader says. */
export function picture(width: number, height: number, title: string, ...parts: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="${ink}">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="6" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

export interface TextStyle {
  anchor?: 'start' | 'middle' | 'end';
  size?: number;
  color?: string;
  bold?: boolean;
  /** whether a white rim sets the text off from what lies under it */
  rim?: boolean;
  rotate?: number;
}

export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { anchor = 'start', size = 12, color = ink, bold = false, rim = false, rotate } = style;
  const turn = rotate === undefined ? '' : ` transform="rotate(${rotate} ${round(x)} ${round(y)})"`;
  const weight = bold ? ' font-weight="bold"' : '';
  const stroke = rim ? ' stroke="#ffffff" stroke-width="4" paint-order="stroke"' : '';
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}" fill="${color}"${weight}${stroke}${turn}>${escape(content)}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, color = faint, width = 1, dash = ''): string {
  const dashes = dash ? ` stroke-dasharray="${dash}"` : '';
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${color}" stroke-width="${width}"${dashes}/>`;
}

export function rect(
  x: number,
  y: number,
  width: number,
  height: number,
  style: { fill?: string; stroke?: string; strokeWidth?: number } = {},
): string {
  const { fill = 'none', stroke, strokeWidth = 1 } = style;
  const border = stroke ? ` stroke="${stroke}" stroke-width="${strokeWidth}"` : '';
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${fill}"${border}/>`;
}

export function circle(x: number, y: number, radius: number, color: string, open = false): string {
  const paint = open ? `fill="none" stroke="${color}" stroke-width="1.5"` : `fill="${color}"`;
  return `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" ${paint}/>`;
}

export function polyline(
  points: readonly (readonly [number, number])[],
  color: string,
  width = 1.5,
  dash = '',
): string {
  const dashes = dash ? ` stroke-dasharray="${dash}"` : '';
  return `<polyline fill="none" stroke="${color}" stroke-width="${width}" stroke-linejoin="round"${dashes} points="${points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ')}"/>`;
}

/** A signed matrix as coloured cells: blue below 0, white at 0, red above; the strongest colour is the largest absolute value. */
export function heatmap(
  x: number,
  y: number,
  size: number,
  matrix: { data: ArrayLike<number>; shape: readonly number[] },
  largest = maximum(matrix.data),
): string {
  const [rows = 0, columns = 0] = matrix.shape;
  const [w, h] = [size / columns, size / rows];
  const cells = new Map<string, string>();
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      const color = signedColor(matrix.data[j * columns + i]! / largest);
      if (color === white) continue;
      const cell = `M${round(x + i * w)} ${round(y + j * h)}h${round(w)}v${round(h)}h-${round(w)}z`;
      cells.set(color, (cells.get(color) ?? '') + cell);
    }
  }
  const paths = [...cells].map(([color, d]) => `<path fill="${color}" d="${d}"/>`);
  return `<g shape-rendering="crispEdges">${paths.join('')}</g>${rect(x, y, size, size, { stroke: faint })}`;
}

const white = 'rgb(255,255,255)';

/** One of 33 strengths of blue or red; the square root spreads small values, which carry most of a decaying matrix. */
function signedColor(fraction: number): string {
  const strength = Math.round(32 * Math.sqrt(Math.min(1, Math.abs(fraction)))) / 32;
  const [r, g, b] = fraction < 0 ? [9, 105, 218] : [207, 34, 46];
  return `rgb(${[r, g, b].map((channel) => Math.round(255 + (channel! - 255) * strength)).join(',')})`;
}

function maximum(values: ArrayLike<number>): number {
  return Array.from(values).reduce((max, v) => Math.max(max, Math.abs(v)), Number.MIN_VALUE);
}

export interface Axis {
  from: number;
  to: number;
  log?: boolean;
  ticks: readonly number[];
  label?: string;
  format?: (v: number) => string;
}

export interface Curve {
  points: readonly (readonly [number, number])[];
  color: string;
  name?: string;
  /** dots, or open circles around them, instead of a line */
  dots?: 'filled' | 'open';
  dash?: string;
}

/** Curves over two axes in the box (x, y, width, height); names stand in a legend at (x + legend[0], y + legend[1]). */
export function chart(
  box: { x: number; y: number; width: number; height: number; title?: string; legend?: readonly [number, number] },
  horizontal: Axis,
  vertical: Axis,
  curves: readonly Curve[],
): string {
  const { x, y, width, height, title, legend = [8, 14] } = box;
  const place = ({ from, to, log }: Axis, v: number) =>
    log ? Math.log(v / from) / Math.log(to / from) : (v - from) / (to - from);
  const px = (v: number) => x + width * place(horizontal, v);
  const py = (v: number) => y + height * (1 - place(vertical, v));
  const label = (axis: Axis, v: number) => axis.format?.(v) ?? String(v);
  const inside = (v: number) =>
    Math.min(Math.max(v, Math.min(vertical.from, vertical.to)), Math.max(vertical.from, vertical.to));
  const named = curves.filter((curve) => curve.name !== undefined);
  return [
    ...(title ? [text(x + width / 2, y - 10, title, { anchor: 'middle', bold: true })] : []),
    ...horizontal.ticks.flatMap((v) => [
      line(px(v), y, px(v), y + height, '#eaeef2'),
      text(px(v), y + height + 15, label(horizontal, v), { anchor: 'middle', size: 10, color: '#57606a' }),
    ]),
    ...vertical.ticks.flatMap((v) => [
      line(x, py(v), x + width, py(v), '#eaeef2'),
      text(x - 5, py(v) + 3.5, label(vertical, v), { anchor: 'end', size: 10, color: '#57606a' }),
    ]),
    rect(x, y, width, height, { stroke: faint }),
    ...(horizontal.label
      ? [text(x + width / 2, y + height + 32, horizontal.label, { anchor: 'middle', size: 11 })]
      : []),
    ...(vertical.label
      ? [text(x - 40, y + height / 2, vertical.label, { anchor: 'middle', size: 11, rotate: -90 })]
      : []),
    ...curves.map(({ points, color, dots, dash }) => {
      const placed = points.map(([u, v]) => [px(u), py(inside(v))] as const);
      return dots
        ? placed.map(([u, v]) => (dots === 'open' ? circle(u, v, 5, color, true) : circle(u, v, 3, color))).join('')
        : polyline(placed, color, 1.75, dash);
    }),
    ...named.flatMap(({ name, color, dots, dash }, k) => {
      const [lx, ly] = [x + legend[0], y + legend[1] + 16 * k];
      return [
        dots
          ? circle(lx + 9, ly - 4, dots === 'open' ? 5 : 3, color, dots === 'open')
          : line(lx, ly - 4, lx + 18, ly - 4, color, 2, dash),
        text(lx + 24, ly, name!, { size: 11 }),
      ];
    }),
  ].join('\n');
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
