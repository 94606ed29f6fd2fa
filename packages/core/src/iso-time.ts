/** "2026-03-30T12:00:00Z", for people. @param seconds Unix seconds, of whatever origin */
export function isoTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `Unix time ${seconds}`;
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}
