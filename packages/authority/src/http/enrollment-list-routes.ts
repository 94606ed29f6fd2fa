import { parseRequirement } from "@authmesh/core";
import { enrollmentId, labelText } from "@authmesh/core/enrollment";
import { oneOf, optional, record } from "@authmesh/core/records";
import type { Context } from "hono";
import type { EnrolledDevice } from "../enrollment/enrolled-devices.js";
import { enrollmentStatuses } from "../enrollment/enrollment.js";
import type { EnrollmentFilter } from "../enrollment/enrollment-store.js";
import type { Services } from "../services.js";
import { actorOf, enrolledCaller, enrollmentIdOf } from "./enrolled-caller.js";
import type { EventStreams } from "./event-streams.js";
import { digits, readQuery } from "./query.js";
import { toldEnrollment } from "./told-enrollment.js";

const label = optional(labelText);
const seconds = optional(digits(0, 315_360_000));

const listQuery = record({
  status: optional(oneOf(...enrollmentStatuses)),
  app: label,
  device: label,
  stale: seconds,
  expiring: seconds,
  limit: optional(digits(1, 1000)),
  after: optional(enrollmentId),
});

const noStore = { "Cache-Control": "no-store" };

/** `GET /v1/enrollments`, behind the verifier of enrolled devices and `__manage:r`. */
export async function answerList(context: Context, services: Services): Promise<Response> {
  const { app, device, stale, expiring, limit = 100, ...query } = readQuery(context, listQuery);
  const now = Math.floor(services.now() / 1000);
  const filter: EnrollmentFilter = {
    ...query,
    ...(app !== undefined && { appName: app }),
    ...(device !== undefined && { deviceName: device }),
    ...(stale !== undefined && { usedBefore: now - stale }),
    ...(expiring !== undefined && { expiresBefore: now + expiring }),
    // One more than is told, to see whether there is more.
    limit: limit + 1,
  };
  const found = await services.enrollments.list(actorOf(context, services), filter);
  const page = found.slice(0, limit);
  const next = found.length > limit ? page.at(-1)?.id : undefined;
  const enrollments = page.map((enrollment) => toldEnrollment(enrollment, now));
  return context.json({ enrollments, ...(next !== undefined && { next }) }, 200, noStore);
}

/** `GET /v1/enrollments/ID`, behind the same. */
export async function answerShow(context: Context, services: Services): Promise<Response> {
  const by = actorOf(context, services);
  const { enrollment, conflicts } = await services.enrollments.show(by, enrollmentIdOf(context));
  const told = toldEnrollment(enrollment, services.now() / 1000);
  const ids = conflicts.map(({ id }) => id);
  return context.json({ ...told, ...(told.status === "pending" && { conflicts: ids }) }, 200, noStore);
}

/** `GET /v1/enrollments/self`, behind the verifier alone. */
export async function answerSelf(context: Context, services: Services): Promise<Response> {
  const by = actorOf(context, services);
  const { enrollment } = await services.enrollments.show(by, by.id);
  return context.json(toldEnrollment(enrollment, services.now() / 1000), 200, noStore);
}

const mayRead = parseRequirement("__manage:r");

/** `GET /v1/enrollments/events`, behind `__manage:r`: every change of the account, for as long as the reader may see it. */
export function answerEvents(context: Context, services: Services, streams: EventStreams): Response {
  const { enrollments, enrolled, now } = services;
  const { deviceId, enrollment: reader } = enrolledCaller(context, services);
  const stillReads = () => isReader(enrolled.findById(deviceId, "controller"));
  const isReader = (device: EnrolledDevice | undefined) =>
    enrolled.check() === undefined &&
    device?.enrollment.id === reader.id &&
    now() / 1000 < (device.expiresAt ?? Number.POSITIVE_INFINITY) &&
    mayRead(device.scopes);
  return streams.open(deviceId, (stream) => {
    const endings = [
      enrollments.onChange((changed, isGone) => {
        if (changed.account !== reader.account) return;
        const told = toldEnrollment(changed, now() / 1000);
        if (stillReads()) stream.send("enrollment", isGone ? { ...told, status: "deleted" } : told);
        else stream.end();
      }),
      enrolled.onChange(() => {
        if (!stillReads()) stream.end();
      }),
    ];
    return () => {
      for (const end of endings) end();
    };
  });
}
