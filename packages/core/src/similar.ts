/** The candidate a person may have meant, if one is close enough: two slips in five letters at most. */
export function mostSimilar(text: string, candidates: readonly string[]): string | undefined {
  if (text.length > 64) return undefined;
  const typed = text.toLowerCase();
  const most = Math.max(1, Math.floor(text.length * 0.4));
  const [closest] = candidates
    .map((candidate) => ({ candidate, slips: countSlips(typed, candidate) }))
    .filter(({ slips }) => slips <= most)
    .sort((a, b) => a.slips - b.slips);
  return closest?.candidate;
}

/** Letters inserted, dropped, replaced, or swapped with the next (optimal string alignment). */
function countSlips(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(i - 2, j - 2) + 1 : replaced;
      rows[i]?.push(Math.min(replaced, swapped, at(i - 1, j) + 1, at(i, j - 1) + 1));
    }
  }
  return at(a.length, b.length);
}
