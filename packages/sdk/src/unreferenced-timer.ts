/** Calls back after some milliseconds, and keeps no process alive for it. Returns the way to stop that. */
export function unreferencedTimer(callback: () => void, ms: number): () => void {
  const timer: { unref?: () => void } | number = setTimeout(callback, ms);
  if (typeof timer === "object") timer.unref?.(); // on some runtimes it is a number
  return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
}
