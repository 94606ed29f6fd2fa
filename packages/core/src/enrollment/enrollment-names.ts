import { AmeshError, quoteForeign } from "../errors.js";

// Letters of ASCII alone: others have a lower case in it, too, such as the sign for kelvin.
const account = /^@[A-Za-z0-9-]{2,32}$/;
const label = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,64}$/;

/**
 * Brings the name of an account into the one form that is compared: `@acme`, of lower case (docs/protocol.md, section 10).
 * To be called once, where a name comes in.
 *
 * @throws AmeshError `invalid_enrollment_name`
 */
export function accountName(text: string): string {
  if (account.test(text)) return text.toLowerCase();
  throw new AmeshError(
    "invalid_enrollment_name",
    `${quoteForeign(text)} is not an account: @ and 2 to 32 letters, digits and hyphens.`,
  );
}

/** The name of an app or a device, as it may stand. @throws AmeshError `invalid_enrollment_name` */
export function enrollmentLabel(what: "app" | "device", text: string): string {
  if (label.test(text)) return text;
  throw new AmeshError(
    "invalid_enrollment_name",
    `${quoteForeign(text)} is not the name of ${what === "app" ? "an app" : "a device"}: 1 to 64 letters, digits and _ . -`,
  );
}

/** The subject of an enrolled device's tokens: `svc://acme/orders/box-1`. */
export const enrolledSubject = (account: string, appName: string, deviceName: string): string =>
  `svc://${account.slice(1)}/${appName}/${deviceName}`;
