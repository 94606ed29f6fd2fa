import { AmeshError } from "@authmesh/core";
import { enrollmentLifetime, invitationUses, mailAddress } from "@authmesh/core/enrollment";
import { type Reader, withCode } from "@authmesh/core/records";

/** What an authority would refuse is refused here, before anything is saved, signed or sent. */

const within =
  (reader: Reader<number>, name: string, fix: string) =>
  (value: number | undefined): number | undefined =>
    value === undefined ? undefined : withCode(() => reader(value, "it"), "invalid_option", name, fix);

/** @throws AmeshError `invalid_option` */
export const checkedLifetime = within(
  enrollmentLifetime,
  "The lifetime",
  "Give a minute to ten years: 60s to 3650d.",
);

/** @throws AmeshError `invalid_option` */
export const checkedUses = within(invitationUses, "The number of uses", "Give 1 to 10,000.");

/** @throws AmeshError `invalid_option` */
export function checkedMailAddress(text: string): string {
  const address = mailAddress(text);
  if (address !== undefined) return address;
  throw new AmeshError("invalid_option", "That is not a mail address such as you@example.com.");
}
