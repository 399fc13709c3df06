/** Keeps a choice for the next visit, where the browser allows that. */
export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`mamba2.${name}`, value);
  } catch {
    // Storage is off: the choice holds for this visit.
  }
}

/** The choice kept under a name. */
export function remembered(name: string): string | undefined {
  try {
    return localStorage.getItem(`mamba2.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}
