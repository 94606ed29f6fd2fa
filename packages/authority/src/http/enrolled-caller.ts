import { AmeshError } from "@authmesh/core";
import type { Context } from "hono";
import type { EnrolledDevice } from "../enrollment/enrolled-devices.js";
import type { Actor } from "../enrollment/enrollments.js";
import type { Services } from "../services.js";

/**
 * The enrolled device that sent a request, behind a verifier.
 *
 * @throws AmeshError `device_unknown` where it was let in and is none any more
 */
export function enrolledCaller(context: Context, { enrolled }: Pick<Services, "enrolled">): EnrolledDevice {
  const { deviceId } = context.get("authMesh");
  const device = enrolled.findById(deviceId, "controller");
  if (device === undefined) throw new AmeshError("device_unknown", `${deviceId} is not known any more.`);
  return device;
}

/** The same, as who acts on others of its account. */
export function actorOf(context: Context, services: Pick<Services, "enrolled">): Actor {
  const { account, id } = enrolledCaller(context, services).enrollment;
  return { account, id };
}

/** The enrollment that the path names. @throws AmeshError `enrollment_not_found` for what is no id */
export function enrollmentIdOf(context: Context): string {
  const id = context.req.param("id") ?? "";
  if (/^en_[\w-]{16}$/.test(id)) return id;
  throw new AmeshError("enrollment_not_found");
}
