import { AmeshError, quoteForeign } from "../errors.js";
import { type Reader, text } from "../records.js";

// Letters of ASCII alone: others have a lower case in it, too, such as the sign for kelvin.
const account = /^@[A-Za-z0-9-]{2,32}$/;
const label = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,64}$/;

/** How the name of an account is written in the form that is compared. */
export const accountForm = /^@[a-z0-9-]{2,32}$/;

/** In the form that is compared. */
export const accountText: Reader<string> = text(accountForm, "an account such as @acme");

/** The name of an app or a device. */
export const labelText: Reader<string> = text(label, "1 to 64 letters, digits and _ . -");

export const enrollmentId: Reader<string> = text(/^en_[A-Za-z0-9_-]{16}$/, "the id of an enrollment");

/**
 * Brings the name of an account into the one form that is compared: `@acme`, of lower case (docs/protocol.md, section 10).
 * To be called once, where a name comes in.
 *
 * @throws AmeshError `invalid_enrollment_name`
 */
export function accountName(name: string): string {
  if (account.test(name)) return name.toLowerCase();
  throw new AmeshError(
    "invalid_enrollment_name",
    `${quoteForeign(name)} is not an account: @ and 2 to 32 letters, digits and hyphens.`,
  );
}

/** The name of an app or a device, as it may stand. @throws AmeshError `invalid_enrollment_name` */
export function enrollmentLabel(what: "app" | "device", name: string): string {
  if (label.test(name)) return name;
  throw new AmeshError(
    "invalid_enrollment_name",
    `${quoteForeign(name)} is not the name of ${what === "app" ? "an app" : "a device"}: 1 to 64 letters, digits and _ . -`,
  );
}

/** The subject of an enrolled device's tokens: `svc://acme/orders/box-1`. */
export const enrolledSubject = (account: string, appName: string, deviceName: string): string =>
  `svc://${account.slice(1)}/${appName}/${deviceName}`;
