/** Tells those who watch. Counting must not decide on requests. */
export function tell<Event>(observe: ((event: Event) => void) | undefined, event: Event): void {
  try {
    observe?.(event);
  } catch {
    // It is theirs.
  }
}
