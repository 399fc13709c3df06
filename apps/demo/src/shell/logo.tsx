/** A causal matrix of three steps, fading with distance from its diagonal. */
export function Logo() {
  const cells = [0, 1, 2].flatMap((j) => Array.from({ length: j + 1 }, (_, i) => [j, i] as const));
  return (
    <svg class="logo" viewBox="0 0 26 26" width="26" height="26" aria-hidden="true">
      {cells.map(([j, i]) => (
        <rect key={`${j}-${i}`} x={9 * i} y={9 * j} width="8" height="8" rx="1.5" opacity={0.6 ** (j - i)} />
      ))}
    </svg>
  );
}
