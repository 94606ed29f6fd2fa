import { openSigningClient } from "./enrolled-machine.js";
import type { EnrollOptions } from "./options.js";
import { mayPass, pause } from "./patience.js";
import { serverEvents } from "./server-events.js";
import { type EnrollmentInfo, type EnrollmentStatus, watchedEnrollment } from "./told.js";

export interface WatchOptions extends EnrollOptions {
  /** Milliseconds before a connection that was cut is made anew. Default 5,000. */
  readonly retryMs?: number | undefined;
  /** Told when the connection was lost, once however often it is tried again, and when there is one again. */
  readonly onConnection?: ((state: "lost" | "back") => void) | undefined;
}

/** An enrollment as it is now; `deleted` of one that is no more. */
export type WatchedEnrollment = Omit<EnrollmentInfo, "status"> & {
  readonly status: EnrollmentStatus | "deleted";
};

/**
 * Every change of an enrollment of this machine's account, as it happens; needs `__manage:r`. A connection that was cut is made
 * anew; what changed in between is not told, see `listEnrollments`. Ends when the signal does.
 *
 * @throws AmeshError what the authority refuses with; `service_unreachable` only where the first connection fails
 */
export async function* watchEnrollments(
  options: WatchOptions = {},
): AsyncGenerator<WatchedEnrollment, void, undefined> {
  const { retryMs = 5000, signal, onConnection = () => {} } = options;
  const authority = await openSigningClient(options);
  for (let state: "new" | "lost" | "back" = "new"; ; ) {
    const ending = new AbortController();
    try {
      const response = await authority.stream("GET", "/v1/enrollments/events", ending.signal);
      if (state === "lost") onConnection("back");
      state = "back";
      yield* serverEvents(response, "enrollment", watchedEnrollment);
    } catch (error) {
      if (signal?.aborted) return;
      if (state === "new" || !mayPass(error)) throw error;
    } finally {
      ending.abort();
    }
    if (signal?.aborted) return;
    if (state !== "lost") onConnection("lost");
    state = "lost";
    await pause(retryMs, signal).catch(() => {});
    if (signal?.aborted) return;
  }
}
