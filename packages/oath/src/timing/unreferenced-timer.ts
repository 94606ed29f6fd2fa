/** Calls back once, after some milliseconds. Returns the way to stop that. */
export type Schedule = (callback: () => void, ms: number) => () => void;

/** Keeps no process alive. */
export const unreferencedTimer: Schedule = (callback, ms) => {
  const timer: { unref?: () => void } | number = setTimeout(callback, ms);
  if (typeof timer === "object") timer.unref?.(); // on some runtimes it is a number
  return () => clearTimeout(timer as ReturnType<typeof setTimeout>);
};
