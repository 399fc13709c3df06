import { computed, signal } from '@preact/signals';
import { remember, remembered } from './remember.js';

export type Theme = 'light' | 'dark';

const system = matchMedia('(prefers-color-scheme: dark)');
const systemTheme = signal<Theme>(system.matches ? 'dark' : 'light');
system.addEventListener('change', () => (systemTheme.value = system.matches ? 'dark' : 'light'));

const kept = remembered('theme');
const chosen = signal<Theme | undefined>(kept === 'light' || kept === 'dark' ? kept : undefined);

/** What is shown now: what was chosen, or else what the system prefers. Canvases that draw with {@link color} redraw when it changes. */
export const theme = computed<Theme>(() => chosen.value ?? systemTheme.value);

/** Changes from light to dark or back. */
export function switchTheme(): void {
  const next = theme.value === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset['theme'] = next;
  chosen.value = next;
  remember('theme', next);
}

/** The red, green and blue (0 … 255) of a colour of the theme, such as `--positive`, for drawing on canvases. */
export function color(name: `--${string}`): [number, number, number] {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const [r, g, b] = getComputedStyle(probe)
    .color.match(/[\d.]+/g)!
    .map(Number);
  probe.remove();
  return [r!, g!, b!];
}
