/**
 * Starts work once a key and shares it: whoever asks meanwhile or later gets the same promise. A failure is
 * forgotten, so that the next caller tries again.
 */
export function shareFlight<V>(
  flights: Map<string, Promise<V>>,
  key: string,
  start: () => Promise<V>,
): Promise<V> {
  const known = flights.get(key);
  if (known !== undefined) return known;
  const flight = start();
  flights.set(key, flight);
  flight.catch(() => flights.delete(key));
  return flight;
}
