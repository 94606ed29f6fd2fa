import { setTimeout as after } from "node:timers/promises";
import { AmeshError, failure } from "@authmesh/core";

/** Whether an authority that failed so may answer a little later. */
export const mayPass = (error: unknown): boolean =>
  error instanceof AmeshError &&
  (error.code === "service_unreachable" ||
    error.code === "rate_limited" ||
    failure(error.code).status >= 500);

/** @throws the signal's reason */
export const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  after(ms, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
